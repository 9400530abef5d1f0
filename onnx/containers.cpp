#include <typeindex>
#include <unordered_map>

#include "fovea/onnx/layers.h"

// See nn/containers.h.
namespace fovea::onnx {
namespace {

using Emitter = Value (*)(const nn::Module&, const Value&);

const Value& result(const Value& made) { return made; }
const Value& result(const Attended& made) { return made.read; }

template <class T>
Value emit_as(const nn::Module& module, const Value& x) {
  const auto& layer = static_cast<const T&>(module);
  if constexpr (std::is_same_v<T, nn::MultiheadAttention>) {
    return emit(layer, x, x, x);
  } else {
    return result(emit(layer, x));
  }
}

/// By the type itself: what is derived from it may compute something else.
template <class... T>
std::unordered_map<std::type_index, Emitter> emitters() {
  return {{typeid(T), emit_as<T>}...};
}

Value emit_layer(const nn::Layer& layer, size_t place, const Value& x, Caller caller) {
  if (layer.function()) return emit(layer.function(), {x, caller});
  if (layer.elementwise()) return emit(*layer.elementwise(), {x}, caller);
  const nn::Module* module = layer.module();
  if (!module) {
    raise<ValueError>(caller,
                      "onnx: layer {} is a function that cannot be looked into; an Elementwise, or a module that is "
                      "onnx::Exportable, can be written down",
                      place);
  }
  if (const auto* own = dynamic_cast<const Exportable*>(module)) return own->emit(x);
  static const auto known =
      emitters<nn::Linear, nn::Embedding, nn::Conv1d, nn::Conv2d, nn::Conv3d, nn::ConvTranspose1d, nn::ConvTranspose2d,
               nn::ConvTranspose3d, nn::Upsample, nn::PixelShuffle, nn::MaxPool1d, nn::MaxPool2d, nn::MaxPool3d,
               nn::AvgPool1d, nn::AvgPool2d, nn::AvgPool3d, nn::AdaptiveAvgPool1d, nn::AdaptiveAvgPool2d,
               nn::AdaptiveAvgPool3d, nn::Flatten, nn::Dropout, nn::Dropout1d, nn::Dropout2d, nn::Dropout3d,
               nn::Identity, nn::BatchNorm1d, nn::BatchNorm2d, nn::BatchNorm3d, nn::InstanceNorm1d, nn::InstanceNorm2d,
               nn::InstanceNorm3d, nn::GroupNorm, nn::LayerNorm, nn::RMSNorm, nn::GLU, nn::PReLU, nn::SwiGLU,
               nn::Sequential, nn::LearnedPositions, nn::SinusoidalPositions, nn::AttentionPool, nn::MultiheadPool,
               nn::AdaptiveTemperature, nn::MultiheadAttention, nn::TransformerEncoderLayer, nn::TransformerEncoder,
               nn::CausalLM, nn::SqueezeExcitation, nn::ChannelAttention, nn::SpatialAttention, nn::CBAM,
               nn::SelfAttention2d, nn::PatchAttentionPool>();
  const auto found = known.find(typeid(*module));
  if (found == known.end()) {
    raise<ValueError>(caller,
                      "onnx: layer {} is a {}, of which no emitter is known; a module that is onnx::Exportable can be "
                      "written down",
                      place, module->type_name());
  }
  return found->second(*module, x);
}

}  // namespace

Value emit(const nn::Sequential& layer, const Value& x, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  Value y = x;
  for (size_t i = 0; i < layer.size(); ++i) y = emit_layer(layer[i], i, y, caller);
  return y;
}

}  // namespace fovea::onnx
