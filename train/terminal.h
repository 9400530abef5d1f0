#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace fovea::train {

/// Whether a person looks at the stream: a terminal that can move its cursor.
bool is_terminal(std::FILE* stream);
/// The columns of the terminal behind the stream; 80 where it does not say.
int terminal_width(std::FILE* stream);
/// Whether the user's locale writes UTF-8.
bool locale_is_utf8();

/// A text that stays in one line of a table of columns and does nothing to a terminal: spaces for line breaks and tabs,
/// "\x1b" for other control characters.
std::string in_one_line(std::string_view text);

/// Prints at once. That it cannot be printed stops nobody: the stream's error flag tells CommandLine, in the end.
void say(std::FILE* out, std::string_view text);

/// "0:07", "12:05", "3:20:00".
std::string duration_text(double seconds);
/// A count in few characters: "950", "12.3k", "4.1M".
std::string short_count(double count);

}  // namespace fovea::train
