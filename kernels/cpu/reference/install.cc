#include "kernels/cpu/install.h"

#include <cstring>

#include "kernels/cpu/reference/reference.h"

namespace tessera {

const OpTable& reference_ops() {
  static const OpTable table = [] {
    OpTable table;
    table.backend = "reference";
    table.copies.in = [](Execution&, void* device, const std::byte* host, size_t bytes) {
      std::memcpy(device, host, bytes);
    };
    table.copies.out = [](Execution&, std::byte* host, const void* device, size_t bytes) {
      std::memcpy(host, device, bytes);
    };
    table.linear = reference::linear;
    table.pack_weight = reference::pack_weight;
    table.load_vector = reference::load_vector;
    table.add_rms_norm = reference::add_rms_norm;
    table.add_rows = reference::add_rows;
    table.gather_rows = reference::gather_rows;
    table.scatter_rows = reference::scatter_rows;
    table.resolve_tokens = reference::resolve_tokens;
    table.embed = reference::embed;
    table.rope_and_store = reference::rope_and_store;
    table.attention = reference::attention;
    table.kv_commit = reference::kv_commit;
    table.kv_page_copy = reference::kv_page_copy;
    table.gated_scan = reference::gated_scan;
    table.state_commit = reference::state_commit;
    table.sample = reference::sample;
    table.verify = reference::verify;
    table.all_reduce = reference::all_reduce;
    table.all_gather = reference::all_gather;
    table.add_layer_norm = reference::add_layer_norm;
    table.activate = reference::activate;
    table.add_positions = reference::add_positions;
    table.patchify = reference::patchify;
    table.unpatchify = reference::unpatchify;
    table.combine = reference::combine;
    table.feature_put = reference::feature_put;
    table.feature_add = reference::feature_add;
    table.relative_l1 = reference::relative_l1;
    table.dot_products = reference::dot_products;
    table.im2col = reference::im2col;
    table.group_norm = reference::group_norm;
    return table;
  }();
  return table;
}

}  // namespace tessera
