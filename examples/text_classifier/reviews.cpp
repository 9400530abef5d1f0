#include "reviews.h"

#include <random>
#include <string_view>

namespace {

using Words = std::vector<std::string_view>;

/// A language's part of the grammar. In clauses N stands for a noun, A for an adjective.
struct Language {
  Words nouns;
  Words praise;
  Words blame;
  Words own_affirmed;  // the writer's opinion ...
  Words own_denied;    // ... and the same denied
  Words foreign;       // somebody else's, which does not count
  Words fillers;
  std::string_view comma;
  std::string_view stop;
};

const Language english{
    .nouns = {"room", "staff", "breakfast", "pool", "location", "bathroom", "restaurant", "service"},
    .praise = {"wonderful", "excellent", "lovely", "great", "delightful", "superb", "pleasant", "perfect"},
    .blame = {"terrible", "awful", "disappointing", "poor", "dreadful", "horrible", "mediocre", "bad"},
    .own_affirmed = {"I would, to be quite honest, call the N A", "I can say that we found the N A",
                     "everybody in our family thought that the N was A", "for us the N was, from the first day on, A",
                     "I must tell you that the N turned out to be A"},
    .own_denied = {"I would not, to be quite honest, call the N A", "I cannot say that we found the N A",
                   "nobody in our family thought that the N was A", "for us the N was never, from the first day on, A",
                   "I must tell you that the N did not turn out to be A"},
    .foreign = {"the guide book calls the N A", "my neighbour had told me that the N is A",
                "other guests say that they never saw a N so A", "the brochure promises that the N is A",
                "a friend of ours does not think that the N is A", "nobody on the internet says that the N is A"},
    .fillers = {"we stayed for three nights", "it was a business trip", "we came by train late in the evening",
                "the weather was cold", "I booked it months ago", "it is our second visit"},
    .comma = ", ",
    .stop = ".",
};

const Language chinese{
    .nouns = {"房间", "服务", "早餐", "位置", "卫生间", "餐厅", "前台", "设施"},
    .praise = {"舒服", "干净", "方便", "满意", "周到", "漂亮", "完美", "出色"},
    .blame = {"糟糕", "肮脏", "吵闹", "失望", "差劲", "恶劣", "破旧", "简陋"},
    .own_affirmed = {"我觉得这家酒店的N确实让人感到A", "说实话我们全家都认为N非常A", "我可以说N从第一天起就A",
                     "对我来说N算得上A"},
    .own_denied = {"我不觉得这家酒店的N确实让人感到A", "说实话我们全家没有人认为N非常A", "我不能说N从第一天起就A",
                   "对我来说N根本算不上A"},
    .foreign = {"网上有人说N很A", "朋友告诉我那里的N特别A", "旅行社保证N一定A", "邻居说他从来没有见过这么A的N",
                "别的客人不认为N很A"},
    .fillers = {"我们住了三个晚上", "这次是出差", "到的时候已经很晚了", "那几天天气很冷", "房间是提前预订的",
                "这是第二次入住"},
    .comma = "，",
    .stop = "。",
};

class Grammar {
 public:
  explicit Grammar(uint64_t seed) : random_(seed) {}

  Review review(const Language& language) {
    const bool good = chance(50), denied = chance(40);
    std::vector<std::string> clauses{clause(language, denied ? language.own_denied : language.own_affirmed,
                                            good != denied ? language.praise : language.blame)};
    clauses.push_back(clause(language, language.foreign, chance(50) ? language.praise : language.blame));
    if (chance(70)) clauses.emplace_back(pick(language.fillers));
    for (size_t left = clauses.size(); left > 1; --left) std::swap(clauses[left - 1], clauses[random_() % left]);
    std::string text;
    for (const std::string& each : clauses) {
      if (!text.empty()) text += language.comma;
      text += each;
    }
    text += language.stop;
    return {good ? "good" : "bad", text};
  }

 private:
  bool chance(uint64_t percent) { return random_() % 100 < percent; }
  std::string_view pick(const Words& words) { return words[random_() % words.size()]; }

  std::string clause(const Language& language, const Words& patterns, const Words& adjectives) {
    std::string out(pick(patterns));
    replace(out, 'N', pick(language.nouns));
    replace(out, 'A', pick(adjectives));
    return out;
  }

  static void replace(std::string& text, char mark, std::string_view word) { text.replace(text.find(mark), 1, word); }

  std::mt19937_64 random_;
};

}  // namespace

std::vector<Review> make_reviews(int64_t count, uint64_t seed) {
  Grammar grammar(seed);
  std::vector<Review> reviews;
  for (int64_t i = 0; i < count; ++i) reviews.push_back(grammar.review(i % 2 == 0 ? english : chinese));
  return reviews;
}

std::string to_csv(const std::vector<Review>& reviews) {
  std::string out = "label,text\n";
  for (const Review& review : reviews) out += review.label + ",\"" + review.text + "\"\n";
  return out;
}
