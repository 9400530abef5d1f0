// What the backward kernels of attention share: the weights P = exp(S - lse) are made again tile by tile, and with them
// the gradients of the scores, dS = P (dropout(dO V^T) - delta).
struct Row {
  float lse, delta;
};
Row row_of_query(uint batch, uint head, uint query) {
  if (query >= p.call.queries) return Row(0.0, 0.0);
  const uint at = (batch * p.call.heads + head) * p.call.queries + query;
  return Row(Floats(p.call.lse).at[at], Floats(p.call.delta).at[at]);
}

// From the products of a query and a key and of the query's dO and the key's v: the weight after dropout and dS.
void gradient_of(inout RandomWords random, uint batch, uint head, uint query, uint key, Row row, float product,
                 float dweight, out float weight, out float dscore) {
  const float score = score_of(product, batch, head, query, key);
  weight = is_readable(score) ? exp_(score - row.lse) : 0.0;
  float grow = 1.0;
  if (p.call.dropout > 0.0 && is_readable(score)) grow = dropout_of(random, batch, head, query, key);
  dscore = weight * (dweight * grow - row.delta);
  weight *= grow;
}

// The same for a tile whose own side is queries: scores and dweights become dS.
void gradients_by_query(uint batch, uint head, uint query, uint key, inout vec4 scores[4], vec4 dweights[4]) {
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const Row row = row_of_query(batch, head, query + row_here() * 4 + i);
    RandomWords random;
    random.known = false;
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      float weight, dscore;
      gradient_of(random, batch, head, query + row_here() * 4 + i, key + column_here() * 4 + j, row, scores[i][j],
                  dweights[i][j], weight, dscore);
      scores[i][j] = dscore;
    }
  }
}
