// What may follow a product: Activation's values.
float activate(uint activation, float x) {
  switch (activation) {
    case 1:
      return is_nan(x) || x >= 0.0 ? x : 0.0;
    case 2:
      return tanh_(x);
    case 3:
      return sigmoid_(x);
    case 4:
      return 0.5 * x * (1.0 + erf_(x * 0.70710678));
    default:
      return x;
  }
}
