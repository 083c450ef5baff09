#include "server/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <vector>

#include "server/metrics/process.h"

namespace tessera {

using prometheus::Counter;
using prometheus::Gauge;

// Refreshes the gauges and the process's own numbers whenever it is read.
struct Metrics::All final : prometheus::Collectable {
  All() { started_seconds.Set(process_start_seconds()); }

  std::vector<prometheus::MetricFamily> Collect() const override {
    for (const auto& model : texts) model->refresh();
    for (const auto& model : diffusions) model->refresh();
    resident_bytes.Set(static_cast<double>(process_resident_bytes()));
    return registry.Collect();
  }

  prometheus::Registry registry;
  std::vector<std::unique_ptr<TextMetrics>> texts;
  std::vector<std::unique_ptr<DiffusionMetrics>> diffusions;
  prometheus::Family<Counter>& refused =
      prometheus::BuildCounter()
          .Name("tessera_requests_refused_total")
          .Help("Requests that were not accepted, by status code.")
          .Register(registry);
  Gauge& resident_bytes = prometheus::BuildGauge()
                              .Name("process_resident_memory_bytes")
                              .Help("Memory of the process that is in RAM.")
                              .Register(registry)
                              .Add({});
  Gauge& started_seconds = prometheus::BuildGauge()
                               .Name("process_start_time_seconds")
                               .Help("When the process started, since 1970.")
                               .Register(registry)
                               .Add({});
};

Metrics::Metrics() : all_(std::make_shared<All>()) {}
Metrics::~Metrics() = default;

TextMetrics& Metrics::add_text(const std::string& model_name) {
  return *all_->texts.emplace_back(std::make_unique<TextMetrics>(model_name, all_->registry));
}

DiffusionMetrics& Metrics::add_diffusion(const std::string& model_name) {
  return *all_->diffusions.emplace_back(
      std::make_unique<DiffusionMetrics>(model_name, all_->registry));
}

void Metrics::unfollow() {
  for (const auto& model : all_->texts) model->follow(nullptr);
  for (const auto& model : all_->diffusions) model->follow(nullptr);
}

void Metrics::on_refused(const std::string& model_name, absl::StatusCode code) {
  all_->refused.Add({{"model_name", model_name}, {"code", absl::StatusCodeToString(code)}})
      .Increment();
}

std::shared_ptr<prometheus::Collectable> Metrics::collectable() const { return all_; }

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(all_->Collect());
}

}  // namespace tessera
