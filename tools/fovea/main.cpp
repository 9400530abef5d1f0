// The library's own program: `fovea --help` tells its commands.
#include "doctor/command.h"

int main(int argc, char** argv) {
  fovea::train::CommandLine program("fovea", "Looks after the library and the devices that it runs on.");
  program.add(fovea::doctor::doctor_command());
  return program.run(argc, argv);
}
