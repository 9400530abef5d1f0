#pragma once

#include <string>

#include "fovea/data/table_encoder.h"

namespace fovea::train {

/// What people should know of how the columns of the rows that an encoder was fitted on were understood: "; ..." for each
/// that may be meant otherwise. With a header, also where it reads like a row.
std::string columns_note(const data::TableEncoder& columns, const data::TabularDataset& rows, bool header);

}  // namespace fovea::train
