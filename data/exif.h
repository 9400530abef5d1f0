#pragma once

#include <string_view>

#include "fovea/data/image.h"

// How a camera was held when it took a picture (Exif 2.32, tag 0x0112 of the first directory).
namespace fovea::data {

/// Where the first row and column of stored pixels belong: 1 for top and left, as they lie, to 8. `block` is what a JPEG
/// file's APP1 marker holds. 1 too where it is not Exif's, does not say, or is malformed: a picture is not refused for it.
int exif_orientation(std::string_view block);
/// The same of what stands behind Exif's name there: a TIFF file, which a PNG file's eXIf chunk holds alone.
int tiff_orientation(std::string_view file);

/// The picture as it was seen: turned and mirrored as an orientation from 1 to 8 says.
Image upright(Image stored, int orientation);

}  // namespace fovea::data
