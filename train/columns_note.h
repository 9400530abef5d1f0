#pragma once

#include <string>

#include "fovea/data/table_encoder.h"

namespace fovea::train {

/// What people should know of how the columns of the rows that an encoder was fitted on were understood: "; ..." for each
/// that may be meant otherwise.
std::string columns_note(const data::TableEncoder& columns, const data::TabularDataset& rows);

}  // namespace fovea::train
