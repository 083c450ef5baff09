#include "server/lifecycle/service.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

class Recorded final : public Service {
 public:
  Recorded(std::string name, std::vector<std::string>& log, bool fails = false)
      : name_(std::move(name)), log_(log), fails_(fails) {}
  std::string name() const override { return name_; }
  absl::Status start() override {
    log_.push_back("start " + name_);
    return fails_ ? absl::UnavailableError(name_ + " cannot") : absl::OkStatus();
  }
  void drain(std::chrono::steady_clock::time_point) override { log_.push_back("drain " + name_); }
  void stop() override { log_.push_back("stop " + name_); }

 private:
  std::string name_;
  std::vector<std::string>& log_;
  bool fails_;
};

TEST(ServiceList, EndsInReverse) {
  std::vector<std::string> log;
  Recorded a("a", log), b("b", log);
  {
    ServiceList services;
    services.add(a);
    services.add(b);
    ASSERT_TRUE(services.start().ok());
    services.drain(std::chrono::steady_clock::now());
    services.stop();
  }
  EXPECT_EQ(log, (std::vector<std::string>{"start a", "start b", "drain b", "drain a", "stop b",
                                           "stop a"}));
}

TEST(ServiceList, AFailedStartStopsTheOnesBefore) {
  std::vector<std::string> log;
  Recorded a("a", log), b("b", log, /*fails=*/true), c("c", log);
  ServiceList services;
  for (Recorded* service : {&a, &b, &c}) services.add(*service);
  EXPECT_EQ(services.start().message(), "b cannot");
  EXPECT_EQ(log, (std::vector<std::string>{"start a", "start b", "stop b", "stop a"}));
}

}  // namespace
}  // namespace tessera
