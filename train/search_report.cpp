#include "fovea/train/search_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "fovea/data/parse_number.h"
#include "fovea/train/report.h"

namespace fovea::train {
namespace {

struct Dot {
  std::string x;
  double y;
  std::string note;
  bool best;
};

std::optional<double> number_of(const std::string& word) { return data::parse_number<double>(word); }

/// Where each dot stands from left to right, from 0 to 1, and what to write below.
struct Places {
  std::vector<double> of_dots = {};
  std::vector<std::pair<double, std::string>> ticks = {};
};

Places places_of(const std::vector<Dot>& dots, bool logarithmic) {
  Places places;
  std::vector<double> numbers;
  for (const Dot& dot : dots) {
    if (const auto value = number_of(dot.x)) numbers.push_back(logarithmic ? std::log10(*value) : *value);
  }
  if (!dots.empty() && numbers.size() == dots.size()) {
    const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    const double low = *least, span = *most - low;
    for (const double number : numbers) places.of_dots.push_back(span > 0 ? (number - low) / span : 0.5);
    for (const double at : {0.0, 0.5, 1.0}) {
      const double value = low + at * span;
      places.ticks.emplace_back(at, fmt::format("{:.3g}", logarithmic ? std::pow(10, value) : value));
      if (span <= 0) {
        places.ticks.back().first = 0.5;
        break;
      }
    }
    return places;
  }
  std::vector<std::string> words;
  for (const Dot& dot : dots) {
    if (std::find(words.begin(), words.end(), dot.x) == words.end()) words.push_back(dot.x);
  }
  std::sort(words.begin(), words.end());
  const auto place = [&](size_t i) { return (static_cast<double>(i) + 0.5) / static_cast<double>(words.size()); };
  for (const Dot& dot : dots) {
    places.of_dots.push_back(place(static_cast<size_t>(std::find(words.begin(), words.end(), dot.x) - words.begin())));
  }
  for (size_t i = 0; i < words.size(); ++i) places.ticks.emplace_back(place(i), words[i]);
  return places;
}

/// The metric of each trial over one option's value.
std::string dots_svg(const std::string& option, const std::string& metric, const std::vector<Dot>& dots,
                     bool logarithmic) {
  constexpr double width = 360, height = 220, left = 46, right = 14, top = 28, bottom = 26;
  double low = INFINITY, high = -INFINITY;
  for (const Dot& dot : dots) {
    low = std::min(low, dot.y);
    high = std::max(high, dot.y);
  }
  if (!(high - low > 1e-9)) {
    low -= 0.5;
    high += 0.5;
  }
  const auto x_of = [&](double at) { return left + 8 + at * (width - left - right - 16); };
  const auto y_of = [&](double y) {
    return height - bottom - 6 - (y - low) / (high - low) * (height - top - bottom - 12);
  };
  std::string out = fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{} by {}">)", width,
                                height, escape_html(metric), escape_html(option));
  out += fmt::format(R"(<text class="title" x="{}" y="15">{} by {}</text>)", left, escape_html(metric),
                     escape_html(option));
  for (const double at : {0.0, 0.5, 1.0}) {
    const double value = low + at * (high - low), y = y_of(value);
    out += fmt::format(R"(<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>)", left, width - right, y);
    out += fmt::format(R"(<text class="tick end" x="{}" y="{:.1f}">{:.3f}</text>)", left - 4, y + 4, value);
  }
  const Places places = places_of(dots, logarithmic);
  for (const auto& [at, text] : places.ticks) {
    out += fmt::format(R"(<text class="tick mid" x="{:.1f}" y="{}">{}</text>)", x_of(at), height - bottom + 15,
                       escape_html(text));
  }
  for (size_t i = 0; i < dots.size(); ++i) {
    out += fmt::format(R"(<g class="s{}"><circle cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle></g>)",
                       dots[i].best ? 1 : 0, x_of(places.of_dots[i]), y_of(dots[i].y), dots[i].best ? 5 : 3,
                       escape_html(dots[i].note));
  }
  return out + "</svg>\n";
}

std::string number_cell(double value) {
  return std::isnan(value) ? "<td></td>" : fmt::format("<td>{:.4f}</td>", value);
}

std::string trials_html(const std::vector<SearchRecord>& records, const std::string& metric) {
  std::string out =
      "<h2>Trials</h2>\n<p class=\"soft\">Best first; of the last round before the others.</p>\n<div "
      "class=\"wide\"><table>\n<tr><th>trial</th><th>round</th><th>epochs</th>";
  for (const auto& [name, word] : records.front().point) out += fmt::format("<th>{}</th>", escape_html(name));
  const bool several =
      std::any_of(records.begin(), records.end(), [](const SearchRecord& each) { return !std::isnan(each.micro_f1); });
  out += fmt::format(
      "<th>accuracy</th><th>macro F1</th><th>{}</th><th>loss</th><th>best epoch</th><th>seconds</th></tr>\n",
      several ? "micro F1" : "ROC AUC");
  std::vector<SearchRecord> sorted = ranked(records, metric);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.round > b.round; });
  for (const SearchRecord& record : sorted) {
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td>", record.trial, record.round, record.epochs);
    for (const auto& [name, word] : record.point) out += fmt::format("<td>{}</td>", escape_html(word));
    if (!record.error.empty()) {
      out += fmt::format("<td colspan=\"6\">{}</td></tr>\n", escape_html(record.error));
      continue;
    }
    const double other = several ? record.micro_f1 : record.roc_auc;
    for (const double value : {record.accuracy, record.macro_f1, other, record.loss}) out += number_cell(value);
    out += fmt::format("<td>{}</td><td>{:.1f}</td></tr>\n", record.best_epoch, record.seconds);
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string to_html(const SearchReport& report) {
  std::string body;
  if (!report.facts.empty()) body += facts_html(report.facts);
  if (report.records.empty()) return page_html(report.title, body);
  const bool lower = report.metric == "loss";
  const auto value_of = [&](const SearchRecord& record) {
    const double score = record.score(report.metric);
    return !std::isfinite(score) ? NAN : lower ? -score : score;
  };
  int64_t last_round = 1;
  for (const SearchRecord& record : report.records) last_round = std::max(last_round, record.round);
  std::vector<SearchRecord> finals;
  for (const SearchRecord& record : report.records) {
    if (record.round == last_round) finals.push_back(record);
  }
  const SearchRecord best = ranked(finals, report.metric).front();

  Series each{"trial", {}}, so_far{"best so far", {}};
  double leader = NAN;
  for (const SearchRecord& record : report.records) {
    const double value = value_of(record);
    const bool leads = !std::isnan(value) && (std::isnan(leader) || (lower ? value < leader : value > leader));
    if (leads) leader = value;
    each.values.push_back(value);
    so_far.values.push_back(leader);
  }
  body += "<h2>The search</h2>\n<p class=\"soft\">The " + escape_html(report.metric) +
          " of the trials in the order in which they ran.</p>\n<div class=\"charts\">\n" +
          chart_svg(report.metric, {each, so_far}, 0) + "</div>\n";
  body +=
      "<h2>What made the difference</h2>\n<p class=\"soft\">A dot a trial, as far as it came; the large one is the "
      "best.</p>\n<div class=\"charts\">\n";
  for (size_t i = 0; i < best.point.size(); ++i) {
    std::vector<Dot> dots;
    bool logarithmic = true;
    for (const SearchRecord& record : report.records) {
      const double value = value_of(record);
      const bool goes_on = std::any_of(report.records.begin(), report.records.end(), [&](const SearchRecord& other) {
        return other.trial == record.trial && other.round > record.round;
      });
      if (std::isnan(value) || goes_on) continue;
      const std::string& word = record.point[i].second;
      const auto number = number_of(word);
      logarithmic = logarithmic && number && *number > 0;
      dots.push_back(
          {word, value,
           fmt::format("trial {}: {} {}, {} {:.4f}", record.trial, record.point[i].first, word, report.metric, value),
           record.trial == best.trial});
    }
    if (dots.empty()) continue;
    const auto by_number = [](const Dot& a, const Dot& b) { return number_of(a.x) < number_of(b.x); };
    const auto [least, most] = std::minmax_element(dots.begin(), dots.end(), by_number);
    logarithmic = logarithmic && *number_of(most->x) > 20 * *number_of(least->x);
    body += dots_svg(best.point[i].first, report.metric, dots, logarithmic);
  }
  body += "</div>\n" + trials_html(report.records, report.metric);
  return page_html(report.title, body);
}

}  // namespace fovea::train
