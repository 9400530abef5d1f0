#pragma once

#include "fovea/backends/backend.h"
