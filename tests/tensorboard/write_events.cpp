// Writes an event file into the folder that is its argument: what read_events.py expects.

#include <cmath>
#include <vector>

#include "fovea/train/event_file.h"

int main(int, char** argv) {
  // A black picture of one pixel.
  static constexpr unsigned char png[] = {
      0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0,    0,    0,    13,  'I',  'H',  'D',  'R',  0,
      0,    0,    1,    0,    0,    0,    1,    8,    0,    0,    0,    0,   0x3a, 0x7e, 0x9b, 0x55, 0,
      0,    0,    10,   'I',  'D',  'A',  'T',  0x78, 0x9c, 0x63, 0x60, 0,   0,    0,    2,    0,    1,
      0x48, 0xaf, 0xa4, 0x71, 0,    0,    0,    0,    'I',  'E',  'N',  'D', 0xae, 0x42, 0x60, 0x82};
  fovea::train::EventFile file(argv[1]);
  std::vector<float> weights;
  for (int i = 0; i < 1000; ++i) weights.push_back(static_cast<float>(std::sin(i)));
  for (int step = 1; step <= 5; ++step) file.scalar("loss/train", 100 * step, 1.0 / step);
  file.histogram("encoder.weight", 100, weights);
  file.text("options", 0, "| option | value |\n| --- | --- |\n| seed | 1 |\n");
  file.image("example", 100,
             {.width = 1, .height = 1, .channels = 1, .bytes = {reinterpret_cast<const char*>(png), sizeof png}});
  // A run that goes on behind step 300: what was written of later steps does not count.
  fovea::train::EventFile again(argv[1]);
  again.restart(301);
  again.scalar("loss/train", 400, 0.125);
}
