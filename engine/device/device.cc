#include "engine/device/device.h"

#include <map>
#include <mutex>
#include <tuple>

#include "kernels/cpu/install.h"

namespace tessera {

Device::Device(const OpTable& ops, IsaLevel isa, int threads, std::string name)
    : ops_(ops),
      pool_(threads),
      threads_(pool_.threads()),
      execution_(pool_, isa),
      lane_(execution_),
      name_(std::move(name) + ", " + std::to_string(threads_) + " threads") {}

absl::StatusOr<std::shared_ptr<Device>> Device::get(const DeviceSettings& settings) {
  if (settings.backend != "cpu" && settings.backend != "reference") {
    return absl::InvalidArgumentError("device.backend is \"" + settings.backend +
                                      "\", must be cpu or reference");
  }
  const absl::StatusOr<IsaLevel> isa = limit_isa(settings.isa);
  if (!isa.ok()) return isa.status();

  static std::mutex mutex;
  static std::map<std::tuple<std::string, IsaLevel, int>, std::weak_ptr<Device>> devices;
  const std::lock_guard<std::mutex> lock(mutex);
  std::weak_ptr<Device>& known = devices[{settings.backend, *isa, settings.threads}];
  if (std::shared_ptr<Device> device = known.lock()) return device;
  const bool reference = settings.backend == "reference";
  const std::string name = reference ? "reference" : "cpu " + std::string(name_of(*isa));
  auto device = std::make_shared<Device>(reference ? reference_ops() : cpu_ops(*isa), *isa,
                                         settings.threads, name);
  known = device;
  return device;
}

}  // namespace tessera
