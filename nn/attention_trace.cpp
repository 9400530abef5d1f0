#include "fovea/nn/attention_trace.h"

namespace fovea::nn {
namespace {

thread_local AttentionTrace* current_trace = nullptr;

}  // namespace

AttentionTrace::AttentionTrace() : outer_(std::exchange(current_trace, this)) {}

AttentionTrace::~AttentionTrace() { current_trace = outer_; }

AttentionTrace* AttentionTrace::current() { return current_trace; }

}  // namespace fovea::nn
