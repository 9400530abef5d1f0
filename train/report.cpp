#include "fovea/train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "fovea/train/report_quality.h"

namespace fovea::train {
namespace {

constexpr std::string_view style = R"(
:root{color-scheme:light dark;--back:#fff;--card:#f6f7f9;--text:#1b1f24;--soft:#5c6672;--line:#d7dce2;--a:#2f6fd6;--b:#d9730d;
--heat:235 120 20;--cell:47 111 214;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--card:#1d2126;--text:#e8eaed;--soft:#9aa4af;--line:#343b43;--a:#7fb0ff;
--b:#ffb066;--heat:255 150 50;--cell:90 150 255;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1rem;background:var(--back);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC",sans-serif}
h1{font-size:1.5rem;margin:.2rem 0 1rem}h2{font-size:1.15rem;margin:2rem 0 .6rem}p{margin:.3rem 0 .8rem}
.soft{color:var(--soft);font-size:.9rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem}
.facts div{background:var(--card);border-radius:.5rem;padding:.5rem .7rem;overflow-wrap:anywhere}
.facts span{display:block;color:var(--soft);font-size:.8rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.6rem}
.chart{width:100%;max-width:30rem;height:auto;background:var(--card);border-radius:.5rem}
.chart .title{font-size:12px;fill:var(--text);font-weight:600}.chart .tick{font-size:11px;fill:var(--soft)}
.chart .end{text-anchor:end}.chart .mid{text-anchor:middle}.chart .grid{stroke:var(--line)}
.chart .mark{stroke:var(--soft);stroke-dasharray:3 3}.chart path{fill:none;stroke-width:2}
.chart .s0 path{stroke:var(--a)}.chart .s0 circle,.chart .s0 text{fill:var(--a)}
.chart .s1 path{stroke:var(--b)}.chart .s1 circle,.chart .s1 text{fill:var(--b)}
.chart .s2 path{stroke:var(--soft)}.chart .s2 circle,.chart .s2 text{fill:var(--soft)}
.wide{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--back)}
th{color:var(--soft);font-weight:500}
.cell{background:rgb(var(--cell)/calc(var(--w)*.75));text-align:center;min-width:2.6rem}
.example{background:var(--card);border-radius:.5rem;padding:.6rem .8rem;margin:.6rem 0}
.example .head{font-size:.85rem;color:var(--soft);margin-bottom:.3rem}
.example .head b{color:var(--text)}.example .wrong b:last-of-type{color:var(--bad)}
.pieces{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.8}
.group{border-left:.35rem solid rgb(var(--heat)/calc(var(--w)*.85));padding-left:.5rem;margin:.2rem 0}
.pieces mark{background:rgb(var(--heat)/calc(var(--w)*.85));color:inherit;border-radius:.25rem;padding:.1rem 0}
.pictures{display:flex;flex-wrap:wrap;gap:.6rem}
.pictures img{height:8rem;width:auto;max-width:100%;image-rendering:pixelated;border-radius:.25rem}
)";

constexpr int64_t most_matrix_classes = 30;

std::string curves_html(const std::vector<EpochRecord>& history) {
  if (history.empty()) return {};
  int64_t best = 0;
  Series loss{"train", {}}, valid_loss{"valid", {}}, accuracy{"train", {}}, valid_accuracy{"valid", {}};
  Series micro_f1{"valid", {}}, macro_f1{"valid, macro", {}};  // of several labels
  for (size_t i = 0; i < history.size(); ++i) {
    const EpochRecord& record = history[i];
    loss.values.push_back(record.loss);
    accuracy.values.push_back(record.accuracy);
    valid_loss.values.push_back(record.valid_loss.value_or(NAN));
    valid_accuracy.values.push_back(record.valid_accuracy.value_or(NAN));
    if (record.valid_micro_f1) {
      micro_f1.values.push_back(*record.valid_micro_f1);
      macro_f1.values.push_back(record.valid_macro_f1.value_or(NAN));
    }
    if (record.best) best = static_cast<int64_t>(i + 1);
  }
  return "<h2>Training</h2>\n<p class=\"soft\">By epoch; the dashed line is the one that did best on the held-out examples.</p>\n<div "
         "class=\"charts\">\n" +
         chart_svg("Loss", {loss, valid_loss}, best) +
         (micro_f1.values.empty() ? chart_svg("Accuracy", {accuracy, valid_accuracy}, best)
                                  : chart_svg("Micro F1", {micro_f1, macro_f1}, best)) +
         "</div>\n";
}

std::string matrix_html(const Report& report) {
  const ConfusionMatrix& confusion = report.evaluation->confusion;
  std::string out =
      "<h2>Confusion matrix</h2>\n<p class=\"soft\">Rows: what is; columns: what was predicted. The shade is the share "
      "of "
      "the row.</p>\n<div class=\"wide\"><table>\n<tr><th></th>";
  for (const std::string& name : report.classes) out += fmt::format("<th>{}</th>", escape_html(name));
  out += "</tr>\n";
  for (int64_t truth = 0; truth < confusion.classes(); ++truth) {
    int64_t support = 0;
    for (int64_t c = 0; c < confusion.classes(); ++c) support += confusion.count(truth, c);
    out += fmt::format("<tr><td>{}</td>", escape_html(report.classes[static_cast<size_t>(truth)]));
    for (int64_t c = 0; c < confusion.classes(); ++c) {
      const int64_t count = confusion.count(truth, c);
      const double share = support == 0 ? 0 : static_cast<double>(count) / static_cast<double>(support);
      out += fmt::format(R"(<td class="cell" style="--w:{:.3f}">{}</td>)", share, count);
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

/// For many classes: the pairs that are taken for one another most.
std::string confusions_html(const Report& report) {
  const ConfusionMatrix& confusion = report.evaluation->confusion;
  std::vector<std::array<int64_t, 3>> pairs;  // count, truth, predicted
  for (int64_t truth = 0; truth < confusion.classes(); ++truth) {
    for (int64_t c = 0; c < confusion.classes(); ++c) {
      if (c != truth && confusion.count(truth, c) > 0) pairs.push_back({confusion.count(truth, c), truth, c});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a[0] > b[0]; });
  if (pairs.size() > 30) pairs.resize(30);
  std::string out =
      "<h2>Most frequent confusions</h2>\n<div class=\"wide\"><table>\n"
      "<tr><th>is</th><th>was predicted</th><th>examples</th></tr>\n";
  for (const auto& [count, truth, predicted] : pairs) {
    out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                       escape_html(report.classes[static_cast<size_t>(truth)]),
                       escape_html(report.classes[static_cast<size_t>(predicted)]), count);
  }
  return out + "</table></div>\n";
}

std::string examples_html(const std::string& heading, const std::string& note,
                          const std::vector<ReportExample>& examples) {
  if (examples.empty()) return {};
  std::string out = fmt::format("<h2>{}</h2>\n", escape_html(heading));
  if (!note.empty()) out += fmt::format("<p class=\"soft\">{}</p>\n", escape_html(note));
  for (const ReportExample& example : examples) {
    const bool right = example.truth == example.predicted;
    out += fmt::format("<div class=\"example\"><div class=\"head{}\">", right ? "" : " wrong");
    out += fmt::format("is <b>{}</b>, predicted <b>{}</b>", escape_html(example.truth), escape_html(example.predicted));
    if (!std::isnan(example.probability)) out += fmt::format(" ({:.1f} %)", 100 * example.probability);
    out += fmt::format("</div>{}</div>\n", example.body);
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string facts_html(const std::vector<std::pair<std::string, std::string>>& facts) {
  if (facts.empty()) return {};
  std::string out = "<div class=\"facts\">\n";
  for (const auto& [name, value] : facts) {
    out += fmt::format("<div><span>{}</span>{}</div>\n", escape_html(name), escape_html(value));
  }
  return out + "</div>\n";
}

std::string page_html(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n{2}</body>\n</html>\n",
      escape_html(title), style, body);
}

/// Of examples with several labels.
std::string label_evaluation_html(const Report& report) {
  const LabelEvaluation& evaluation = *report.label_evaluation;
  const LabelCounts& counts = evaluation.counts;
  const ClassMetrics micro = counts.micro();
  std::string out = fmt::format(
      "<h2>How well it does</h2>\n<p>On {}: micro F1 <b>{:.4f}</b>, macro F1 <b>{:.4f}</b>, subset accuracy "
      "<b>{:.4f}</b>, loss <b>{:.4f}</b>.</p>\n<p>Precision <b>{:.4f}</b>, recall <b>{:.4f}</b>, Hamming loss "
      "<b>{:.4f}</b>, label ranking average precision <b>{:.4f}</b>.</p>\n",
      escape_html(report.evaluated_on), micro.f1, counts.macro_f1(), counts.subset_accuracy(), evaluation.loss,
      micro.precision, micro.recall, counts.hamming_loss(), evaluation.ranking_precision);
  if (!report.decision.empty()) out += fmt::format("<p>{}</p>\n", escape_html(report.decision));
  return out + folds_html(report) + class_table_html(report);
}

std::string to_html(const Report& report) {
  std::string out = facts_html(report.facts) + curves_html(report.history);
  if (report.evaluation) {
    const Evaluation& evaluation = *report.evaluation;
    out += fmt::format(
        "<h2>How well it does</h2>\n<p>On {}: accuracy <b>{:.4f}</b>, macro F1 <b>{:.4f}</b>, "
        "weighted F1 <b>{:.4f}</b>, loss <b>{:.4f}</b>.</p>\n",
        escape_html(report.evaluated_on), evaluation.confusion.accuracy(), evaluation.confusion.macro_f1(),
        evaluation.confusion.weighted_f1(), evaluation.loss);
    if (!report.decision.empty()) out += fmt::format("<p>{}</p>\n", escape_html(report.decision));
    out += folds_html(report);
    out += evaluation.confusion.classes() <= most_matrix_classes ? matrix_html(report) : confusions_html(report);
    out += quality_html(report);
  }
  if (report.label_evaluation) out += label_evaluation_html(report);
  out += deletion_html(report.deletion);
  out += examples_html("Worst mistakes", "Where the model was most sure and wrong. " + report.colour_note,
                       report.mistakes);
  out += examples_html("Examples", report.colour_note, report.examples);
  for (const auto& [heading, text] : report.texts) {
    out +=
        fmt::format("<h2>{}</h2>\n<div class=\"example pieces\">{}</div>\n", escape_html(heading), escape_html(text));
  }
  return page_html(report.title, out);
}

}  // namespace fovea::train
