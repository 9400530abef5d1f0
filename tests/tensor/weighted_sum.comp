#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_scalar_block_layout : require

// out = a x + b y, an element a thread.
layout(local_size_x_id = 0) in;
layout(buffer_reference, scalar) buffer Floats { float at[]; };
layout(push_constant, scalar) uniform Call {
  Floats x, y, result;
  uint items;
  float a, b;
};

void main() {
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x +
                 gl_LocalInvocationID.x;
  if (i < items) result.at[i] = a * x.at[i] + b * y.at[i];
}
