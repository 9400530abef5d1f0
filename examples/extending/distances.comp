#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_scalar_block_layout : require

// out[i, j] = sum_c |a[i, c] - b[j, c]|: a [n, width], b [m, width], an element of out a thread.
layout(local_size_x_id = 0) in;
layout(buffer_reference, scalar) buffer Floats { float at[]; };
layout(push_constant, scalar) uniform Call {
  Floats a, b, result;
  uint items;
  float m, width;
};

void main() {
  const uint item = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x +
                    gl_LocalInvocationID.x;
  if (item >= items) return;
  const uint i = item / uint(m), j = item % uint(m);
  float sum = 0;
  for (uint c = 0; c < uint(width); ++c) sum += abs(a.at[i * uint(width) + c] - b.at[j * uint(width) + c]);
  result.at[item] = sum;
}
