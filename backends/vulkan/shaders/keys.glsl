// Unsigned keys in the order of the values: NaN is the greatest, -0 equals 0.
uint key_at(uint64_t row, uint i) {
  if (type == type_i32) return Words(row).at[i] ^ 0x80000000u;
  if (type == type_bool) return uint(Bytes(row).at[i]);
  const float x = load(row, i);
  if (is_nan(x)) return 0xffffffffu;
  const uint bits = x == 0.0 ? 0 : floatBitsToUint(x);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
