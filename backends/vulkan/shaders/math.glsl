// Functions that a driver may compute too roughly; the same formulas as in functions.cpp. A driver may take it that no
// number is NaN, and then make of a comparison a minimum, which drops it: what must keep NaN asks for its bits.

float exp1m_near_zero(float r) {
  float q = fma(r, 0.001315868808887899, 0.008353766985237598);
  q = fma(q, r, 0.04167664796113968);
  q = fma(q, r, 0.1666671335697174);
  q = fma(q, r, 0.49999991059303284);
  return fma(r * r, q, r);
}
float power_of_two(int n) { return intBitsToFloat((n + 127) << 23); }

float exp_(float given) {
  const float x = given < -104.0 ? -104.0 : given > 89.0 ? 89.0 : given;
  const float n = roundEven(x * 1.44269504);
  precise const float r = fma(n, -3.194618329871446e-05, fma(n, -0.693115234375, x));
  const int power = int(n), half_power = power >> 1;
  const float y = (exp1m_near_zero(r) + 1.0) * power_of_two(half_power) * power_of_two(power - half_power);
  return is_nan(given) ? given : y;
}

float expm1_(float given) {
  const float x = given < -20.0 ? -20.0 : given > 89.0 ? 89.0 : given;
  const float n = roundEven(x * 1.44269504);
  precise const float r = fma(n, -3.194618329871446e-05, fma(n, -0.693115234375, x));
  const float scale = power_of_two(int(n) - 1);
  const float y = fma(exp1m_near_zero(r), scale, scale - 0.5) * 2.0;
  return is_nan(given) ? given : y;
}

// For x > 0 and normal.
float log_(float x) {
  const int bits = floatBitsToInt(x) - 0x3f3504f3;
  const float e = float(bits >> 23);
  const float f = intBitsToFloat((bits & 0x007fffff) + 0x3f3504f3) - 1.0;
  float p = fma(f, 0.06915336847305298, -0.11789732426404953);
  p = fma(p, f, 0.11872945725917816);
  p = fma(p, f, -0.12384358793497086);
  p = fma(p, f, 0.14218664169311523);
  p = fma(p, f, -0.16669251024723053);
  p = fma(p, f, 0.20002226531505585);
  p = fma(p, f, -0.24999986588954926);
  p = fma(p, f, 0.3333331048488617);
  const float square = f * f;
  float tail = fma(e, 3.194618329871446e-05, square * f * p);
  tail = fma(square, -0.5, tail);
  return floatBitsToUint(x) == 0x7f800000u ? x : fma(e, 0.693115234375, f + tail);
}

float sigmoid_(float x) {
  const float e = exp_(-abs(x));
  return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

float tanh_(float x) {
  const float t = expm1_(2.0 * min(abs(x), 10.0));
  const float y = t / (t + 2.0);
  return is_nan(x) ? x : x < 0.0 ? -y : y;
}

float erf_(float x) {
  const float a = abs(x), s = x * x;
  float p = fma(s, 7.889106927905232e-05, -0.0008020836976356804);
  p = fma(p, s, 0.005189534742385149);
  p = fma(p, s, -0.026854444295167923);
  p = fma(p, s, 0.11283600330352783);
  p = fma(p, s, -0.3761262595653534);
  p = fma(p, s, 1.1283791065216064);
  const float c = min(a, 4.0);
  float g = fma(c, 2.1686691979994066e-05, -0.00044133441406302154);
  g = fma(g, c, 0.004204551689326763);
  g = fma(g, c, -0.025208227336406708);
  g = fma(g, c, 0.1084185317158699);
  g = fma(g, c, 0.6332199573516846);
  g = fma(g, c, 1.1295783519744873);
  g = fma(g, c, -0.00018803452257998288);
  const float large = 1.0 - exp_(-g);
  return a <= 1.0 ? x * p : is_nan(x) ? x : x < 0.0 ? -large : large;
}
