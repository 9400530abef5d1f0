#pragma once

#include <string>

#include "fovea/train/report.h"

// Sections of report.html.
namespace fovea::train {

/// The table of a cross-validation; "" where there was none.
std::string folds_html(const Report& report);
/// Precision, recall and F1 by class.
std::string class_table_html(const Report& report);
/// That table, the calibration and the ROC curves of the report's evaluation.
std::string quality_html(const Report& report);
/// The deletion test's curves and number; "" where there was none.
std::string deletion_html(const DeletionCurves& curves);

}  // namespace fovea::train
