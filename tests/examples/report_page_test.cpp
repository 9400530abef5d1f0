// The reports as a browser shows them: on a phone, in light and dark. Needs Debian's chromium; skips without it.
#include <fmt/format.h>

#include <array>

#include "trainers.h"

namespace fovea::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;

constexpr int phone = 390;  // pixels of width

/// A page with a frame as wide as a phone for each report; it writes what it finds in them into an element of its own.
std::string looking_at(const std::vector<std::string>& names) {
  std::string page = "<!doctype html><meta charset=\"utf-8\"><pre id=\"found\"></pre>\n";
  for (const std::string& name : names) {
    page += fmt::format("<iframe name=\"{0}\" src=\"{0}/report.html\" width=\"{1}\" height=\"800\"></iframe>\n", name,
                        phone);
  }
  return page + R"(<script>
const luminance = colour => colour.match(/[\d.]+/g).slice(0, 3).reduce((sum, c) => sum + Number(c), 0) / 765;
window.onload = () => {
  const found = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, style = frame.contentWindow.getComputedStyle(page.body);
    return {
      name: frame.name,
      width: page.documentElement.clientWidth,
      content: page.documentElement.scrollWidth,
      headings: [...page.querySelectorAll('h2')].map(h => h.textContent),
      charts: page.querySelectorAll('svg').length,
      coloured: page.querySelectorAll('mark, img').length,
      broken: [...page.images].filter(i => i.naturalWidth === 0).length,
      scripts: page.scripts.length,
      loaded: frame.contentWindow.performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length,
      back: luminance(style.backgroundColor),
      text: luminance(style.color),
    };
  });
  document.getElementById('found').textContent = JSON.stringify(found);
};
</script>
)";
}

/// What stands in the element `found` of a page that the browser printed.
Json found_in(const std::string& page) {
  const size_t begin = page.find("<pre id=\"found\">") + 16, end = page.find("</pre>", begin);
  if (end == std::string::npos) return {};
  std::string text = page.substr(begin, end - begin);
  for (const auto& [entity, character] : {std::pair("&lt;", "<"), {"&gt;", ">"}, {"&amp;", "&"}}) {
    for (size_t at = 0; (at = text.find(entity, at)) != std::string::npos; ++at) {
      text.replace(at, std::strlen(entity), character);
    }
  }
  return Json::parse(text, nullptr, false);
}

TEST(ReportPage, IsWholeOnAPhoneInLightAndDark) {
  if (!std::filesystem::exists(FOVEA_CHROMIUM))
    GTEST_SKIP() << "no browser to look at reports with: chromium is not installed";
  const TempFolder folder;
  std::vector<std::string> names;
  for (const Trainer& trainer : trainers()) {
    const Words files{"train", "--train", trainer.write(folder), "--out", folder / trainer.name, "--epochs",
                      "2",     "--quiet"};
    const bool folds = trainer.name == "tabular";
    const Finished done = run(trainer.program, files + trainer.small + (folds ? Words{"--folds", "2"} : Words{}));
    ASSERT_EQ(done.status, 0) << done.error;
    names.push_back(trainer.name);
    for (const char* left : {"train", "train.csv", "train.txt"}) std::filesystem::remove_all(folder / left);
  }
  const std::string page = folder.write("page.html", looking_at(names));

  for (const bool dark : {false, true}) {
    SCOPED_TRACE(dark ? "dark" : "light");
    const Finished shown =
        run(FOVEA_CHROMIUM,
            {"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--user-data-dir=" + folder / "browser", "--allow-file-access-from-files", "--enable-logging=stderr",
             fmt::format("--blink-settings=preferredColorScheme={}", dark ? 0 : 1), "--virtual-time-budget=10000",
             "--dump-dom", "file://" + page});
    ASSERT_EQ(shown.status, 0) << shown.error;
    EXPECT_EQ(shown.error.find("CONSOLE"), std::string::npos) << shown.error;
    const Json found = found_in(shown.out);
    ASSERT_EQ(found.size(), names.size()) << shown.out.substr(0, 2000) << shown.error;
    for (const Json& report : found) {
      const std::string name = report["name"];
      SCOPED_TRACE(name + " " + report.dump());
      EXPECT_GT(report["width"], 300);
      EXPECT_LE(report["content"], report["width"]) << "it is wider than a phone";
      EXPECT_EQ(report["scripts"], 0);
      EXPECT_EQ(report["loaded"], 0);
      EXPECT_EQ(report["broken"], 0);
      EXPECT_EQ(report["back"] < 0.3, dark);
      EXPECT_EQ(report["text"] > 0.7, dark);
      EXPECT_GE(report["charts"], name == "language" ? 1 : 2);

      const auto headings = report["headings"].get<std::vector<std::string>>();
      EXPECT_THAT(headings, Contains("Training"));
      if (name == "language") {
        EXPECT_THAT(headings, Contains("What it writes"));
        continue;
      }
      EXPECT_THAT(headings, IsSupersetOf({"How well it does", "Probabilities", "By class", "Confusion matrix",
                                          "How far to believe the colours"}));
      EXPECT_GT(report["coloured"], 0);
      if (name == "tabular") {
        EXPECT_THAT(headings, Contains("Cross-validation"));
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test
