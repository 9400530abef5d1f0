#include "demo.h"

#include <filesystem>

#include "fovea/train/run_identity.h"

using namespace fovea;

std::string_view demo_text() {
  return R"(The fovea is a small pit in the middle of the retina. It is hardly wider than a grain of rice is thick, yet it holds
the densest field of cones that the eye has, and whatever we look at falls upon it. All around it sight is coarse: a
reader sees some eight letters sharply, a few more dimly, and of the rest of the page only that there are lines.

So the eye jumps. Three or four times a second it moves to another place, rests there, reads a word or two, and jumps
again. Short words are often passed over; long or rare ones are looked at twice. Nobody plans these jumps. They follow
from what was read before, from what is expected next, and from the faint grey shapes at the margin that promise
something worth a look.

A model with attention does much the same with other means. For every place in a text it asks a question, compares the
question with a key at each other place, and turns the answers into weights that add up to one. What it reads is the sum
of the values under those weights: a great deal of one word, a little of another, next to nothing of the rest. No word is
out of reach, however far away it stands, and nothing has to be carried along from step to step in a state that is too
small for it.

The price is that everything is compared with everything. Twice as long a text takes four times the work, and whoever
writes the scores down needs four times the memory too. Nobody has to write them down, though. The sum can be taken a
block at a time, with the greatest score so far in hand, and what was added under a smaller one is scaled when a greater
one comes. In the end the result is the same to the last digits, and the table of scores was never there.

That is all there is to it: look where it matters, and remember only what you need.
)";
}

int run_demo(const RunProgram& program, const std::string& folder, const train::RunOptions& run) {
  train::prepare_folder(folder);
  const std::string text = std::filesystem::path(folder) / "fovea.txt", model = std::filesystem::path(folder) / "model";
  data::write_atomically(text, demo_text());
  const auto shell = [&](std::vector<std::string> arguments) {
    if (run.quiet) {
      arguments.emplace_back("--quiet");
    } else {
      std::string line = "\n$ language_model";
      for (const std::string& word : arguments)
        line += word.find(' ') == std::string::npos ? " " + word : " \"" + word + '"';
      fmt::print("{}\n", line);
      std::fflush(stdout);
    }
    arguments.insert(arguments.end(), {"--threads", std::to_string(run.threads)});
    if (!run.device.empty()) arguments.insert(arguments.end(), {"--device", run.device});
    if (run.json && arguments[0] == "train") arguments.emplace_back("--json");
    return program(arguments);
  };
  const int status = shell({"train", "--train", text, "--out", model, "--hold-out", "0", "--layers", "2",
                            "--batch-size", "2", "--epochs", "60", "--dropout", "0"});
  if (status != 0 || run.quiet) return status;
  return shell({"generate", "--model", model, "--prompt", "The fovea is a small pit in the middle of the retina.",
                "--length", "600", "--temperature", "0.5", "--top-k", "5"});
}
