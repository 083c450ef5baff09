// A request the engine has accepted, and its outputs: what a step needs to know to sample for it,
// and what was told to the client. Made on the server's thread at submit, owned by the engine
// thread from then on.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/api/event.h"
#include "engine/api/observer.h"
#include "engine/api/request.h"
#include "engine/branch/branch_policy.h"
#include "engine/decode/proposer.h"
#include "engine/decode/sampling.h"
#include "engine/tokenize/incremental_text.h"
#include "engine/tokenize/stop_strings.h"

namespace tessera {

using Clock = std::chrono::steady_clock;

struct LiveRequest;

// One output of a request; one sequence of the ledger.
struct Output {
  LiveRequest* request = nullptr;
  SequenceId sequence = kNoSequence;
  int index = 0;
  int64_t emitted = 0;  // tokens that became output
  std::optional<FinishReason> finished;
  IncrementalText text;
  StopWatch stops;
  std::unique_ptr<Proposer> proposer;  // null: plain decoding
  Draft draft;                         // proposed for the step in flight
};

struct LiveRequest {
  TextRequest request;
  StopStrings stop_strings;  // outlives the outputs' watches
  std::shared_ptr<EventSink> sink;
  Sampling sampling;
  std::vector<int32_t> prompt;
  int64_t max_tokens = 0;  // per output, context limit included
  int64_t min_tokens = 0;
  std::vector<int32_t> end_ids;  // empty when ignore_eos
  std::vector<int32_t> ban_ids;  // end and stop ids: banned until min_tokens
  std::unique_ptr<BranchPolicy> policy;
  std::vector<std::unique_ptr<Output>> outputs;

  std::vector<TokenInfo> prompt_logprobs;  // collected chunk by chunk
  bool prompt_reported = false;
  Usage usage;
  Timings timings;
  Clock::time_point submitted;
  std::optional<Clock::time_point> first_scheduled;
  std::optional<Clock::time_point> first_token;
  Clock::time_point last_token;
  std::vector<double> inter_token_seconds;
  absl::Status failure;    // set when it must end with Failed
  bool queued = true;      // no row granted yet; counts against the queue's bounds
  int sequences_held = 0;  // of its outputs, still in the ledger
};

}  // namespace tessera
