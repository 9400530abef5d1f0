#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// A made-up patient and whether he or she is "ill" or "healthy".
struct Patient {
  std::string age, sex, temperature, ward, crp, smoker;  // cells of a table; some are empty
  std::string diagnosis;
};

/// The same seed gives the same patients. No column tells alone: a high temperature counts with a high CRP (a protein in
/// the blood) only, and CRP is missing for a third of them; age counts for smokers, sex and ward do not count at all.
std::vector<Patient> make_patients(int64_t count, uint64_t seed);

/// As CSV; the last column is the diagnosis.
std::string to_csv(const std::vector<Patient>& patients);
