#include "fovea/data/unicode.h"

#include <unicode/ubrk.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>

#include <mutex>
#include <string>

#include "fovea/backends/error.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

void check(UErrorCode code, const char* what) {
  if (U_FAILURE(code)) raise<Error>({}, "{}: ICU says {}", what, u_errorName(code));
}

}  // namespace

/// ICU's iterator, which serves one thread at a time, and the text as it wants it: UTF-16, with each unit's byte.
class UnicodeBreaker::Iterator {
 public:
  explicit Iterator(Kind kind) {
    UErrorCode code = U_ZERO_ERROR;
    const UBreakIteratorType type = kind == Kind::word        ? UBRK_WORD
                                    : kind == Kind::character ? UBRK_CHARACTER
                                                              : UBRK_SENTENCE;
    iterator_.reset(ubrk_open(type, "", nullptr, 0, &code));
    check(code, "text boundaries");
  }

  void split(std::string_view text, std::vector<Segment>& out) {
    units_.clear();
    bytes_.clear();
    for (size_t i = 0; i < text.size();) {
      const size_t begin = i;
      const char32_t c = decode_utf8(text, i);
      if (c < 0x10000) {
        units_.push_back(static_cast<char16_t>(c));
      } else {
        units_.push_back(static_cast<char16_t>(0xd7c0u + (c >> 10)));
        units_.push_back(static_cast<char16_t>(0xdc00u | (c & 0x3ffu)));
        bytes_.push_back(static_cast<uint32_t>(begin));
      }
      bytes_.push_back(static_cast<uint32_t>(begin));
    }
    bytes_.push_back(static_cast<uint32_t>(text.size()));

    UErrorCode code = U_ZERO_ERROR;
    ubrk_setText(iterator_.get(), units_.data(), static_cast<int32_t>(units_.size()), &code);
    check(code, "text boundaries");
    size_t begin = 0;
    for (int32_t unit = ubrk_next(iterator_.get()); unit != UBRK_DONE; unit = ubrk_next(iterator_.get())) {
      const size_t end = bytes_[static_cast<size_t>(unit)];
      out.push_back({{begin, end}, ubrk_getRuleStatus(iterator_.get()) >= UBRK_WORD_NONE_LIMIT});
      begin = end;
    }
  }

 private:
  struct Close {
    void operator()(UBreakIterator* iterator) const { ubrk_close(iterator); }
  };
  std::unique_ptr<UBreakIterator, Close> iterator_;
  std::u16string units_;
  std::vector<uint32_t> bytes_;
};

class UnicodeBreaker::Pool {
 public:
  explicit Pool(Kind kind) : kind_(kind) { give(std::make_unique<Iterator>(kind)); }

  std::unique_ptr<Iterator> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto iterator = std::move(idle_.back());
        idle_.pop_back();
        return iterator;
      }
    }
    return std::make_unique<Iterator>(kind_);
  }
  void give(std::unique_ptr<Iterator> iterator) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(iterator));
  }

 private:
  Kind kind_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Iterator>> idle_;
};

UnicodeBreaker::UnicodeBreaker(Kind kind) : pool_(std::make_unique<Pool>(kind)) {}
UnicodeBreaker::~UnicodeBreaker() = default;

void UnicodeBreaker::split(std::string_view text, std::vector<Segment>& out) const {
  out.clear();
  if (text.empty()) return;
  auto iterator = pool_->take();
  iterator->split(text, out);
  pool_->give(std::move(iterator));
}

struct LowerCase::Map {
  struct Close {
    void operator()(UCaseMap* map) const { ucasemap_close(map); }
  };
  std::unique_ptr<UCaseMap, Close> icu;
};

LowerCase::LowerCase() : map_(std::make_unique<Map>()) {
  UErrorCode code = U_ZERO_ERROR;
  map_->icu.reset(ucasemap_open("", 0, &code));
  check(code, "lower case");
}

LowerCase::~LowerCase() = default;

void LowerCase::add(std::string_view token, TextSpan source, Tokens& out) const {
  const size_t room = 2 * token.size() + 8;  // no character's lower case is more than half as long again in UTF-8
  UErrorCode code = U_ZERO_ERROR;
  const int32_t length = ucasemap_utf8ToLower(map_->icu.get(), out.write(room), static_cast<int32_t>(room),
                                              token.data(), static_cast<int32_t>(token.size()), &code);
  check(code, "lower case");
  out.add_written(static_cast<size_t>(length), source);
}

bool is_blank(char32_t c) {
  switch (u_charType(static_cast<UChar32>(c))) {
    case U_SPACE_SEPARATOR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
      return true;
    default:
      return false;
  }
}

bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }
bool is_letter(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_L_MASK) != 0; }
bool is_number(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_N_MASK) != 0; }

bool is_word_character(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  return u_isUAlphabetic(point) || (U_GET_GC_MASK(point) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL);
}

std::pair<char32_t, char32_t> lower_alone(char32_t c) {
  if (c == 0x130) return {'i', 0x307};
  return {static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))), 0};
}

}  // namespace fovea::data
