#include "tools/bench/diffusion/step_shares.h"

namespace tessera {

StepShares shares_by_operations(const NetworkWork& work) {
  StepShares shares;
  shares.source = "operations";
  const double all = work.step_operations();
  for (const NetworkSite& site : work.sites) shares.sites.push_back(site.operations / all);
  shares.other = work.other_operations / all;
  return shares;
}

StepShares shares_by_kind(const NetworkWork& work, const std::map<std::string, double>& measured) {
  std::map<SiteKind, int> counts;
  for (const NetworkSite& site : work.sites) ++counts[site.kind];
  StepShares shares;
  shares.source = "measured";
  shares.other = 1;
  bool found_any = false;
  for (const NetworkSite& site : work.sites) {
    const auto found = measured.find(site_kind_name(site.kind));
    found_any |= found != measured.end();
    const double share = found == measured.end() ? 0 : found->second / counts[site.kind];
    shares.sites.push_back(share);
    shares.other -= share;
  }
  return found_any ? shares : shares_by_operations(work);
}

}  // namespace tessera
