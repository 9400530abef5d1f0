#include "fovea/autograd/einsum.h"

#include <algorithm>
#include <string>

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

/// A label for each axis: a letter, or for the axes of "..." their place from the end, from 1 on.
using AxisNames = std::string;

bool holds(const AxisNames& labels, char label) { return labels.find(label) != AxisNames::npos; }

/// Those of `labels` for which `wanted` holds.
template <class F>
AxisNames chosen(const AxisNames& labels, F wanted) {
  AxisNames found;
  std::copy_if(labels.begin(), labels.end(), std::back_inserter(found), wanted);
  return found;
}

/// The labels of "...", standing for `count` axes.
AxisNames dots(int64_t count) {
  AxisNames labels;
  for (int64_t place = count; place > 0; --place) labels += static_cast<char>(place);
  return labels;
}

/// A tensor whose axes have names, each another one.
struct Term {
  Tensor x;
  AxisNames labels;

  int axis(char label) const { return static_cast<int>(labels.find(label)); }
  int64_t size(char label) const { return x.shape()[axis(label)]; }
  Shape sizes(const AxisNames& of) const {
    Shape shape;
    for (char label : of) shape.push_back(size(label));
    return shape;
  }
};

Tensor ordered(const Term& term, const AxisNames& labels, Caller caller) {
  if (term.labels == labels) return term.x;
  Shape axes;
  for (char label : labels) axes.push_back(term.axis(label));
  return term.x.permute(axes, caller);
}

Tensor shaped(const Tensor& x, const Shape& shape, Caller caller) {
  return x.shape() == shape ? x : x.reshape(shape, caller);
}

/// Summed over the axes that are not `kept`.
Term summed(const Term& term, const AxisNames& kept, Caller caller) {
  Axes gone;
  for (char label : term.labels) {
    if (!holds(kept, label)) gone.list.push_back(term.axis(label));
  }
  if (gone.all()) return term;
  return {sum(term.x, gone, false, caller), chosen(term.labels, [&](char label) { return holds(kept, label); })};
}

/// Without the axes of size 1 whose label has another size in `other`, which is repeated along them.
Term without_repeated(const Term& term, const Term& other, Caller caller) {
  const AxisNames left = chosen(term.labels, [&](char label) {
    return term.size(label) != 1 || !holds(other.labels, label) || other.size(label) == 1;
  });
  return left == term.labels ? term : Term{term.x.reshape(term.sizes(left), caller), left};
}

/// The product of two terms, summed over what is not `kept`. Axes of both that stay are the batch, those that go the
/// inner sizes of one matmul, unless nothing is summed or nothing else is left.
Term contracted(const Term& given_a, const Term& given_b, const AxisNames& kept, Caller caller) {
  const Term broad_a = without_repeated(given_a, given_b, caller), broad_b = without_repeated(given_b, given_a, caller);
  const Term a = summed(broad_a, kept + broad_b.labels, caller), b = summed(broad_b, kept + broad_a.labels, caller);
  const auto shared = [&](char label) { return holds(b.labels, label); };
  const AxisNames rows = chosen(a.labels, [&](char label) { return !shared(label); });
  const AxisNames batch = chosen(a.labels, [&](char label) { return shared(label) && holds(kept, label); });
  const AxisNames inner = chosen(a.labels, [&](char label) { return shared(label) && !holds(kept, label); });
  const AxisNames columns = chosen(b.labels, [&](char label) { return !holds(a.labels, label); });
  const AxisNames all = batch + rows + columns;
  if (all.size() > static_cast<size_t>(max_rank)) {
    raise<ShapeError>(caller, "einsum: a product of {} and {} would have {} axes, more than {}", a.x.shape(),
                      b.x.shape(), all.size(), max_rank);
  }
  const Shape lead = a.sizes(batch), heights = a.sizes(rows), widths = b.sizes(columns);
  Tensor left = ordered(a, batch + rows + inner, caller), right = ordered(b, batch + inner + columns, caller);
  if (rows.empty() && columns.empty() && !inner.empty()) {  // no matrices but vectors: one pass over both
    static const Elementwise products{"einsum", [](Expr a, Expr b) { return a * b; }};
    Axes last;
    for (int axis = lead.rank(); axis < left.rank(); ++axis) last.list.push_back(axis);
    return {products.sum(last, false, {{left, caller}, {right, caller}}), batch};
  }
  if (inner.empty()) {  // nothing to sum
    Shape wide = left.shape();
    for (size_t i = 0; i < columns.size(); ++i) wide.push_back(1);
    Shape narrow = lead;
    for (size_t i = 0; i < rows.size(); ++i) narrow.push_back(1);
    for (int64_t size : widths) narrow.push_back(size);
    return {mul({shaped(left, wide, caller), caller}, {shaped(right, narrow, caller), caller}), all};
  }
  // Batch axes stay apart, whose strides matmul takes as they are, unless there are too many of them.
  const auto matrices = [&](int64_t m, int64_t n) {
    Shape shape = lead.rank() + 2 <= max_rank ? lead : Shape{lead.numel()};
    shape.push_back(m);
    shape.push_back(n);
    return shape;
  };
  const int64_t depth = a.sizes(inner).numel();
  left = shaped(left, matrices(heights.numel(), depth), caller);
  right = shaped(right, matrices(depth, widths.numel()), caller);
  Shape shape = lead;
  for (int64_t size : heights) shape.push_back(size);
  for (int64_t size : widths) shape.push_back(size);
  return {shaped(matmul(left, right, caller), shape, caller), all};
}

/// An equation with labels for the axes of its operands.
class Equation {
 public:
  Equation(std::string_view text, const std::vector<Tensor>& operands, Caller caller) : text_(text), caller_(caller) {
    std::string dense;
    std::copy_if(text.begin(), text.end(), std::back_inserter(dense), [](char c) { return c != ' '; });
    const size_t arrow = dense.find("->");
    std::string groups = dense.substr(0, arrow);
    if (static_cast<size_t>(std::count(groups.begin(), groups.end(), ',')) + 1 != operands.size()) {
      raise<ValueError>(caller, "einsum: \"{}\" is for {} operands, given are {}", text_,
                        std::count(groups.begin(), groups.end(), ',') + 1, operands.size());
    }
    groups += ',';
    for (const Tensor& x : operands) {
      const size_t end = groups.find(',');
      read_operand(x, groups.substr(0, end));
      groups.erase(0, end + 1);
    }
    check_sizes(operands);
    if (arrow == std::string::npos) {
      imply_result();
    } else {
      result = expanded(dense.substr(arrow + 2), dots_);
      check_result();
    }
    for (size_t i = 0; i < terms.size(); ++i) take_diagonals(i);
  }

  std::vector<Term> terms;
  AxisNames result;

 private:
  /// A group's labels, "..." standing for `count` axes.
  AxisNames expanded(const std::string& group, int64_t count) const {
    AxisNames labels;
    bool seen = false;
    for (size_t i = 0; i < group.size(); ++i) {
      const char c = group[i];
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        labels += c;
      } else if (group.compare(i, 3, "...") == 0 && !std::exchange(seen, true)) {
        labels += dots(count);
        i += 2;
      } else {
        raise<ValueError>(caller_, "einsum: \"{}\": '{}' cannot stand there; letters, \"...\", ',' and \"->\" can",
                          text_, c);
      }
    }
    return labels;
  }

  void read_operand(const Tensor& x, const std::string& group) {
    const bool open = group.find("...") != std::string::npos;
    const AxisNames letters = expanded(group, 0);
    const int64_t more = x.rank() - static_cast<int64_t>(letters.size());
    if (more < 0 || (more > 0 && !open)) {
      raise<ShapeError>(caller_, "einsum: \"{}\": operand {} of shape {} does not have the axes \"{}\"", text_,
                        terms.size(), x.shape(), group);
    }
    dots_ = std::max(dots_, more);
    terms.push_back({x, expanded(group, more)});
  }

  /// Equal labels must have equal sizes, or 1.
  void check_sizes(const std::vector<Tensor>& operands) const {
    struct Seen {
      char label;
      int64_t size;
      size_t operand;
    };
    std::vector<Seen> all;  // the first of each label whose size is not 1, if there is one
    for (size_t i = 0; i < terms.size(); ++i) {
      for (size_t axis = 0; axis < terms[i].labels.size(); ++axis) {
        const char label = terms[i].labels[axis];
        const int64_t size = operands[i].shape()[static_cast<int>(axis)];
        const auto known = std::find_if(all.begin(), all.end(), [&](const Seen& s) { return s.label == label; });
        if (known == all.end()) {
          all.push_back({label, size, i});
        } else if (known->size != size && known->size != 1 && size != 1) {
          raise<ShapeError>(caller_, "einsum: \"{}\": {} has size {} in operand {} and {} in operand {}: {} and {}",
                            text_, label < 'A' ? "an axis of \"...\"" : fmt::format("'{}'", label), known->size,
                            known->operand, size, i, operands[known->operand].shape(), operands[i].shape());
        } else if (known->size == 1) {
          *known = {label, size, i};
        }
      }
    }
  }

  void imply_result() {
    AxisNames every;
    for (const Term& term : terms) every += term.labels;
    std::sort(every.begin(), every.end());
    result = dots(dots_);
    for (char label : every) {
      if (label >= 'A' && std::count(every.begin(), every.end(), label) == 1) result += label;
    }
  }

  void check_result() const {
    for (char label : result) {
      if (std::count(result.begin(), result.end(), label) > 1) {
        raise<ValueError>(caller_, "einsum: \"{}\": '{}' stands twice in the result", text_, label);
      }
      if (std::none_of(terms.begin(), terms.end(), [&](const Term& term) { return holds(term.labels, label); })) {
        raise<ValueError>(caller_, "einsum: \"{}\": '{}' of the result is in no operand", text_, label);
      }
    }
    if (result.size() > static_cast<size_t>(max_rank)) {
      raise<ShapeError>(caller_, "einsum: \"{}\" gives {} axes, more than {}", text_, result.size(), max_rank);
    }
  }

  /// Leaves each label of an operand once: those that are repeated become a diagonal.
  void take_diagonals(size_t operand) {
    auto& [x, labels] = terms[operand];
    const Shape whole = x.shape();
    for (size_t i = 0; i < labels.size();) {
      const char label = labels[i];
      const size_t again = labels.find(label, i + 1);
      if (again == AxisNames::npos) {
        ++i;
        continue;
      }
      const int first = static_cast<int>(i), second = static_cast<int>(again);
      if (x.shape()[first] != x.shape()[second]) {
        raise<ShapeError>(caller_, "einsum: \"{}\": '{}' has sizes {} and {} in operand {} of shape {}", text_, label,
                          x.shape()[first], x.shape()[second], operand, whole);
      }
      x = x.diagonal(0, first, second, caller_);
      labels.erase(again, 1);
      labels.erase(i, 1);
      labels += label;
    }
  }

  std::string_view text_;
  Caller caller_;
  int64_t dots_ = 0;  // how many axes "..." stands for where it is longest
};

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands, Caller caller) {
  const ErrorScope scope(caller);
  if (operands.empty()) raise<ValueError>(caller, "einsum: \"{}\" without operands", equation);
  for (const Tensor& x : operands) {
    raw::check_defined("einsum", x, caller);
    raw::check_alike("einsum", {&operands[0], &x}, caller);
    if (operands.size() > 1) raw::check_floating("einsum", x, caller);
  }
  const Equation parsed(equation, operands, caller);
  Term done = parsed.terms[0];
  for (size_t i = 1; i < parsed.terms.size(); ++i) {
    AxisNames kept = parsed.result;
    for (size_t later = i + 1; later < parsed.terms.size(); ++later) kept += parsed.terms[later].labels;
    done = contracted(done, parsed.terms[i], kept, caller);
  }
  return ordered(summed(done, parsed.result, caller), parsed.result, caller);
}

}  // namespace fovea
