// grpc.health.v1 for a fixed list of names, each serving or not. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"

namespace tessera {

class HealthWatch;

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

  // Watchers of `name` learn of a change.
  void set(const std::string& name, bool serving);
  // Ends the watches, which would otherwise hold up a shutdown, and takes no new ones.
  void end_watches();

 private:
  friend class HealthWatch;
  using ServingStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;
  // SERVICE_UNKNOWN for names never set. REQUIRES: mutex_ held.
  ServingStatus status_of(const std::string& name) const;

  std::mutex mutex_;  // also over all watches
  std::map<std::string, bool> serving_;
  std::set<HealthWatch*> watches_;
  bool ended_ = false;
};

}  // namespace tessera
