#pragma once

#include "fovea/backends/vulkan/engine.h"

// Every kernel of the backend interface, recorded on an engine; each stands in the file of its family.
namespace fovea::vulkan {

void map(Engine& engine, const MapCall& call);

}  // namespace fovea::vulkan
