// tesserad: reads its settings, starts its services in order, waits for a signal, and ends in
// order.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "engine/diffusion/engine.h"
#include "engine/run/engine.h"
#include "server/command_line.h"
#include "server/config/load.h"
#include "server/config/print.h"
#include "server/config/served_name.h"
#include "server/engine_host.h"
#include "server/grpc/frontend.h"
#include "server/lifecycle/service.h"
#include "server/lifecycle/signals.h"
#include "server/metrics/endpoint.h"
#include "server/metrics/metrics.h"

namespace tessera {
namespace {

constexpr int kFailed = 1, kUsage = 2;

int fail(int code, absl::string_view message) {
  std::fprintf(stderr, "tesserad: %.*s\n", static_cast<int>(message.size()), message.data());
  return code;
}

void set_up_log(const ServerConfig& config) {
  auto log = spdlog::stderr_color_mt("tesserad");
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  log->set_level(spdlog::level::from_str(config.log_level));
  log->flush_on(spdlog::level::info);
  spdlog::set_default_logger(log);
}

std::string address_text(const ServerConfig& config) {
  if (!config.metrics_enabled) return config.grpc_address;
  return config.grpc_address + ", metrics on http://" + config.metrics_address + "/metrics";
}

// What is to be done for a configured model: to load it, and to show its load once all are there.
struct Loading {
  EngineHost::Create create;
  std::function<void(const AnyEngine&)> follow;
};

std::vector<Loading> loadings_of(const ServerConfig& config, Metrics& metrics) {
  std::vector<Loading> loadings;
  if (!config.engine.model.path.empty()) {
    TextMetrics& observer = metrics.add_text(served_name(config.engine.model));
    const auto create = [&config, &observer]() -> absl::StatusOr<AnyEngine> {
      spdlog::info("loading {}", config.engine.model.path);
      absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::create(config.engine, &observer);
      if (!engine.ok()) return engine.status();
      return AnyEngine(*std::move(engine));
    };
    loadings.push_back({create, [&observer](const AnyEngine& engine) {
                          const Engine* made = std::get<std::unique_ptr<Engine>>(engine).get();
                          observer.follow([made] { return made->load(); });
                        }});
  }
  for (const DiffusionModelSettings& model : config.diffusion_models) {
    DiffusionMetrics& observer = metrics.add_diffusion(served_name(model));
    const auto create = [&config, &model, &observer]() -> absl::StatusOr<AnyEngine> {
      spdlog::info("loading {}", model.path);
      absl::StatusOr<std::unique_ptr<DiffusionEngine>> engine =
          DiffusionEngine::create(model, config.engine.device, &observer);
      if (!engine.ok()) return engine.status();
      observer.describe((*engine)->model());
      return AnyEngine(*std::move(engine));
    };
    loadings.push_back({create, [&observer](const AnyEngine& engine) {
                          const DiffusionEngine* made =
                              std::get<std::unique_ptr<DiffusionEngine>>(engine).get();
                          observer.follow([made] { return made->load(); });
                        }});
  }
  return loadings;
}

// Tells the log what was loaded; gives its name.
std::string describe(const AnyEngine& engine) {
  return std::visit(
      [](const auto& one) {
        std::istringstream description(one->describe());
        for (std::string line; std::getline(description, line);)
          spdlog::info("{}: {}", one->model().name, line);
        return one->model().name;
      },
      engine);
}

int serve(const ServerConfig& config) {
  Signals signals;
  Metrics metrics;
  MetricsEndpoint endpoint(config.metrics_address, metrics);
  Frontend frontend(config, [&](const std::string& model, absl::StatusCode code) {
    metrics.on_refused(model, code);
  });
  const std::vector<Loading> loadings = loadings_of(config, metrics);
  std::vector<EngineHost::Create> creates;
  for (const Loading& loading : loadings) creates.push_back(loading.create);
  EngineHost host(std::move(creates), frontend);
  ServiceList services;
  if (config.metrics_enabled) services.add(endpoint);
  services.add(frontend);
  services.add(host);

  std::future<absl::Status> started =
      std::async(std::launch::async, [&] { return services.start(); });
  while (started.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    if (!signals.arrived()) continue;
    // Loading cannot be interrupted, and there is nobody to finish for.
    spdlog::info("stopped before the model was loaded");
    std::_Exit(0);
  }
  if (absl::Status status = started.get(); !status.ok()) return fail(kFailed, status.message());
  std::vector<std::string> names;
  for (size_t index = 0; index < loadings.size(); ++index) {
    names.push_back(describe(host.engines()[index]));
    loadings[index].follow(host.engines()[index]);
  }
  spdlog::info("ready: {} on {}", absl::StrJoin(names, ", "), address_text(config));

  const int signal = signals.wait();
  spdlog::info("{}: finishing {} live requests, at most {} s; a second signal ends at once",
               signal == SIGINT ? "SIGINT" : "SIGTERM", frontend.live_streams(),
               config.drain_seconds);
  services.drain(std::chrono::steady_clock::now() +
                 std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                     std::chrono::duration<double>(config.drain_seconds)));
  metrics.unfollow();
  services.stop();
  spdlog::info("stopped");
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  absl::StatusOr<CommandLine> line = parse_command_line(arguments);
  if (!line.ok()) return fail(kUsage, line.status().message());
  using Action = CommandLine::Action;
  const auto print = [](const std::string& text) {
    std::fputs(text.c_str(), stdout);
    return 0;
  };
  if (line->action == Action::kHelp) return print(help_text());
  if (line->action == Action::kVersion) return print(version_text());
  if (line->action == Action::kHelpConfig) return print(print_reference());
  absl::StatusOr<LoadedConfig> loaded = load_config(line->sources);
  if (!loaded.ok()) return fail(kUsage, loaded.status().message());
  if (line->action == Action::kPrintConfig) return print(print_config(*loaded));
  if (line->action == Action::kCheckConfig) return print("the settings are right\n");
  set_up_log(loaded->config);
  return serve(loaded->config);
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  return tessera::run(std::vector<std::string>(argv + 1, argv + argc));
}
