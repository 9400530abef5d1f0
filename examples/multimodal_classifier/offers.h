#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// Something that is for sale, and what a buyer should think of it: "fair", "cheap" or "dear".
struct Offer {
  std::string price, age, state, text, verdict;
};

/// The same seed gives the same offers. The text says what is for sale, so what it should cost; the columns say what is
/// asked for it: neither tells without the other.
std::vector<Offer> make_offers(int64_t count, uint64_t seed);

/// As CSV with the columns price, age, state, text, verdict.
std::string to_csv(const std::vector<Offer>& offers);
