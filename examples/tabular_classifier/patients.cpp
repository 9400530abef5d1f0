#include "patients.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <random>

std::vector<Patient> make_patients(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
  };
  constexpr std::array wards{"north", "south", "east"};
  std::vector<Patient> patients;
  for (int64_t i = 0; i < count; ++i) {
    const double age = uniform(18, 90), temperature = uniform(36, 40), crp = std::exp(uniform(0, 5.5));
    const bool smoker = uniform(0, 1) < 0.3, woman = uniform(0, 1) < 0.5;
    const double risk = (temperature > 38 && crp > 20 ? 3.5 : -2.5) + (smoker ? (age - 50) / 8 : 0);
    const bool ill = uniform(0, 1) < 1 / (1 + std::exp(-2 * risk));
    patients.push_back({.age = fmt::format("{:.0f}", age),
                        .sex = woman ? "F" : "M",
                        .temperature = fmt::format("{:.1f}", temperature),
                        .ward = uniform(0, 1) < 0.1 ? "" : wards[random() % 3],
                        .crp = uniform(0, 1) < 0.3 ? "" : fmt::format("{:.0f}", crp),
                        .smoker = smoker ? "yes" : "no",
                        .diagnosis = ill ? "ill" : "healthy"});
  }
  return patients;
}

std::string to_csv(const std::vector<Patient>& patients) {
  std::string out = "age,sex,temperature,ward,crp,smoker,diagnosis\n";
  for (const Patient& p : patients) {
    out += fmt::format("{},{},{},{},{},{},{}\n", p.age, p.sex, p.temperature, p.ward, p.crp, p.smoker, p.diagnosis);
  }
  return out;
}
