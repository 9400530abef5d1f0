// Rows shared by the threads of a workgroup: `lanes` threads to a row (a power of two, constant 2), so that a workgroup
// takes threads / lanes rows. A row's partial results are joined in a tree of fixed form.
layout(constant_id = 2) const uint lanes = 64;

shared float tree[gl_WorkGroupSize.x];

uint lane() { return gl_LocalInvocationID.x % lanes; }
uint row_here() { return linear_group() * (threads / lanes) + gl_LocalInvocationID.x / lanes; }

// To be called by all threads of the workgroup alike.
float row_sum(float x) {
  const uint me = gl_LocalInvocationID.x;
  tree[me] = x;
  barrier();
  for (uint h = lanes / 2; h > 0; h /= 2) {
    if (lane() < h) tree[me] += tree[me + h];
    barrier();
  }
  const float sum = tree[me - lane()];
  barrier();
  return sum;
}

float row_max(float x) {
  const uint me = gl_LocalInvocationID.x;
  tree[me] = x;
  barrier();
  for (uint h = lanes / 2; h > 0; h /= 2) {
    if (lane() < h) tree[me] = max(tree[me], tree[me + h]);
    barrier();
  }
  const float greatest = tree[me - lane()];
  barrier();
  return greatest;
}
