#pragma once

#include "fovea/tensor/tensor.h"

// Reductions over axes (all of them by default). With `keepdim` a reduced axis stays with size 1.
namespace fovea {

Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
/// The greatest; equal ones share the gradient equally. Of nothing: -inf.
Tensor amax(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
Tensor amin(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
/// log(sum(exp(x))), without overflow. Where all x are -inf, it is -inf with a gradient of 0 (PyTorch's is NaN): nothing that
/// is masked there can make it greater, as in ctc_loss, and NaN would spoil every weight behind it.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
/// sqrt(sum(x^2)), the L2 norm. Where it is 0, its gradient is 0, and that gradient's own is 0, too: it has none there (PyTorch
/// says NaN), and a penalty on gradients goes on past one that vanishes.
Tensor norm(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
/// sum((x - mean)^2) / (n - correction), or over 0 where that is negative: NaN of one element with a correction of 1.
Tensor var(const Tensor& x, const Axes& axes = {}, double correction = 1, bool keepdim = false, Caller caller = {});
/// sqrt(var), the standard deviation (PyTorch's std); gradient 0 where it is 0.
Tensor stddev(const Tensor& x, const Axes& axes = {}, double correction = 1, bool keepdim = false, Caller caller = {});
Tensor prod(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});

/// Whether any (all) of the elements hold: true, or a number other than 0.
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdim = false, Caller caller = {});
/// Whether |a - b| <= atol + rtol |b| everywhere, broadcast; infinities only where equal, NaN only beside NaN and only
/// where `equal_nan`. Read by the host.
bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false,
              Caller caller = {});

/// The position (i32) of the greatest along an axis, the first of equals.
Tensor argmax(const Tensor& x, int axis = -1, bool keepdim = false, Caller caller = {});
Tensor argmin(const Tensor& x, int axis = -1, bool keepdim = false, Caller caller = {});

struct Sorted {
  Tensor values;
  Tensor indices;  // i32
};
/// Along an axis, stably.
Sorted sort(const Tensor& x, int axis = -1, bool descending = false, Caller caller = {});
/// The k greatest along an axis, greatest first.
Sorted topk(const Tensor& x, int64_t k, int axis = -1, Caller caller = {});

/// Running sums along an axis.
Tensor cumsum(const Tensor& x, int axis, Caller caller = {});

}  // namespace fovea
