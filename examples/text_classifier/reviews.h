#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// A hotel review and whether its writer liked the place: "good" or "bad".
struct Review {
  std::string label;
  std::string text;
};

/// Reviews made by a small grammar, English and Chinese in turn; the same seed gives the same ones. What decides is the
/// writer's own opinion, which may be negated words away from its adjective and stands beside what somebody else said:
/// a bag of words sees the words but not whose they are, nor what is denied.
std::vector<Review> make_reviews(int64_t count, uint64_t seed);

/// As CSV with the columns label and text.
std::string to_csv(const std::vector<Review>& reviews);
