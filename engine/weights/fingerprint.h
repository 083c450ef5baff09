// What tells one checkpoint from another: a number over the names, types and shapes of its tensors
// and a few bytes of each, so that a file made for one checkpoint is not used with another. Not a
// proof against anybody who wants to deceive. Reads a page or so of every tensor; any thread that
// may use the files.
#pragma once

#include <string>

#include "engine/weights/tensor_files.h"

namespace tessera {

// 16 hexadecimal digits: FNV-1a, 64 bits, of every tensor in order of its name: the name and a
// zero; element type, rank and extents as 8 little-endian bytes each; 16 pieces of 8 bytes, spread
// evenly from the first byte to the last (all bytes of a tensor that has no more).
std::string checkpoint_fingerprint(const TensorFiles& files);

}  // namespace tessera
