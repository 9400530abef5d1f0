#include "offers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <random>
#include <string_view>

namespace {

struct Ware {
  std::string_view name;
  double price;
};

constexpr std::array<Ware, 9> wares{{{"a pencil", 2},
                                     {"a novel", 12},
                                     {"a lamp", 40},
                                     {"a pair of boots", 90},
                                     {"a bicycle", 450},
                                     {"a piano", 2500},
                                     {"a motorcycle", 6000},
                                     {"a car", 15000},
                                     {"a boat", 40000}}};
constexpr std::array<std::string_view, 5> openings{"for sale:", "I am parting with", "who wants",
                                                   "to be had at once:", "out of a move:"};
constexpr std::array<std::string_view, 6> closings{"of which I took good care", "\"of the best, they say\"",
                                                   "in a fine colour",          "that my aunt was fond of",
                                                   "light and sturdy",          "as good as on the first day"};

}  // namespace

std::vector<Offer> make_offers(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
  };
  constexpr std::array verdicts{"cheap", "fair", "dear"};
  std::vector<Offer> offers;
  for (int64_t i = 0; i < count; ++i) {
    const Ware& ware = wares[random() % wares.size()];
    const size_t verdict = random() % 3;
    const bool used = uniform(0, 1) < 0.6;
    const double age = used ? std::floor(uniform(1, 20)) : 0;
    // Half of its worth is lost in ten years; the asked price is well below it, near it, or well above.
    const double worth = ware.price * std::pow(0.5, age / 10);
    const double asked = worth * std::pow(2.5, (static_cast<double>(verdict) - 1) + uniform(-0.4, 0.4));
    std::string text =
        fmt::format("{} {} {}", openings[random() % openings.size()], ware.name, closings[random() % closings.size()]);
    offers.push_back({.price = fmt::format("{:.{}f}", asked, asked < 10 ? 1 : 0),
                      .age = uniform(0, 1) < 0.05 ? "" : fmt::format("{:.0f}", age),
                      .state = used ? "used" : "new",
                      .text = std::move(text),
                      .verdict = verdicts[verdict]});
  }
  return offers;
}

std::string to_csv(const std::vector<Offer>& offers) {
  std::string out = "price,age,state,text,verdict\n";
  for (const Offer& offer : offers) {
    std::string text;
    for (const char c : offer.text) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    out += fmt::format("{},{},{},\"{}\",{}\n", offer.price, offer.age, offer.state, text, offer.verdict);
  }
  return out;
}
