#include "engine/diffusion/accept_condition.h"

#include "engine/diffusion/accept_checks.h"

namespace tessera {
namespace {

absl::Status set_class(const JobRules& rules, const ClassCondition& condition, Job& job) {
  if (rules.facts.conditioning != Conditioning::kClass) {
    return bad_request("class_label: this model takes no class label");
  }
  absl::Status status = check_between("class_label", static_cast<double>(condition.label), 0,
                                      rules.facts.classes - 1);
  if (!status.ok()) return status;
  job.branches[0].label = static_cast<int32_t>(condition.label);
  if (job.branches.size() > 1) job.branches[1].label = rules.facts.classes;
  return absl::OkStatus();
}

absl::Status set_prompts(const JobRules& rules, const PromptCondition& condition, Job& job) {
  if (rules.facts.conditioning != Conditioning::kPrompt) {
    return bad_request("prompt: this model takes none");
  }
  if (!rules.read_prompt) {
    return absl::UnimplementedError("prompt: this model has no text encoder; send embeddings");
  }
  absl::Status status = rules.read_prompt("prompt", condition.prompt, job.branches[0]);
  if (!status.ok() || job.branches.size() == 1) return status;
  return rules.read_prompt("negative_prompt", condition.negative_prompt, job.branches[1]);
}

absl::Status set_pooled(const JobRules& rules, const char* field, const FloatArray& pooled,
                        JobBranch& branch) {
  if (rules.facts.pooled_width == 0) {
    if (!pooled.values.empty()) return bad_request(std::string(field) + ": this model takes none");
    return absl::OkStatus();
  }
  absl::Status status = check_finite(field, pooled);
  if (!status.ok()) return status;
  if (static_cast<int64_t>(pooled.values.size()) != rules.facts.pooled_width) {
    return bad_request(std::string(field) + " must have " +
                       std::to_string(rules.facts.pooled_width) + " values");
  }
  branch.pooled = pooled;
  return absl::OkStatus();
}

absl::Status set_embedding(const JobRules& rules, const char* field, const FloatArray& given,
                           JobBranch& branch) {
  absl::Status status = check_finite(field, given);
  if (!status.ok()) return status;
  const int64_t width = rules.facts.prompt_width;
  if (given.shape.size() != 2 || given.shape[1] != width) {
    return bad_request(std::string(field) + " must be [tokens, " + std::to_string(width) + "]");
  }
  branch.prompt = given;
  return check_between((std::string(field) + ".shape[0]").c_str(),
                       static_cast<double>(given.shape[0]), 1,
                       static_cast<double>(rules.facts.prompt_tokens_max));
}

absl::Status set_negative_embedding(const JobRules& rules, EmbeddingCondition& condition,
                                    JobBranch& branch) {
  const int64_t width = rules.facts.prompt_width, pooled_width = rules.facts.pooled_width;
  if (condition.negative_pooled.values.empty() && pooled_width > 0) {
    condition.negative_pooled = {{pooled_width}, std::vector<float>(pooled_width)};
  }
  absl::Status status =
      set_pooled(rules, "embeddings.negative_pooled", condition.negative_pooled, branch);
  if (!status.ok()) return status;
  if (condition.negative_prompt.values.empty()) {
    if (rules.read_prompt) return rules.read_prompt("embeddings.negative_prompt", "", branch);
    condition.negative_prompt = {{1, width}, std::vector<float>(width)};
  }
  return set_embedding(rules, "embeddings.negative_prompt", condition.negative_prompt, branch);
}

absl::Status set_embeddings(const JobRules& rules, EmbeddingCondition& condition, Job& job) {
  if (rules.facts.conditioning != Conditioning::kPrompt) {
    return bad_request("embeddings: this model takes no prompt");
  }
  absl::Status status =
      set_embedding(rules, "embeddings.prompt", condition.prompt, job.branches[0]);
  if (status.ok()) {
    status = set_pooled(rules, "embeddings.pooled", condition.pooled, job.branches[0]);
  }
  if (!status.ok() || job.branches.size() == 1) return status;
  return set_negative_embedding(rules, condition, job.branches[1]);
}

absl::Status set_observations(const JobRules& rules, const ObservationCondition& condition,
                              Job& job) {
  if (rules.facts.conditioning != Conditioning::kObservation) {
    return bad_request("observations: this model takes none");
  }
  absl::Status status = check_finite("observations", condition.observations);
  if (!status.ok()) return status;
  const int64_t steps = rules.facts.prompt_tokens_max, width = rules.facts.prompt_width;
  if (condition.observations.shape != std::vector<int64_t>{steps, width}) {
    return bad_request("observations must be [" + std::to_string(steps) + ", " +
                       std::to_string(width) + "]");
  }
  FloatArray& rows = job.branches[0].prompt;
  rows = condition.observations;
  const LinearNormalizer& normalizer = rules.policy->observation;
  for (size_t at = 0; at < rows.values.size(); ++at) {
    const size_t entry = at % static_cast<size_t>(width);
    rows.values[at] = rows.values[at] * normalizer.scale[entry] + normalizer.offset[entry];
  }
  // A normaliser may carry a number that was finite out of f32.
  return check_finite("observations, normalised,", rows);
}

}  // namespace

absl::Status set_condition(const JobRules& rules, Job& job) {
  auto& condition = job.request.condition;
  if (const auto* label = std::get_if<ClassCondition>(&condition)) {
    return set_class(rules, *label, job);
  }
  if (auto* embeddings = std::get_if<EmbeddingCondition>(&condition)) {
    return set_embeddings(rules, *embeddings, job);
  }
  if (const auto* observations = std::get_if<ObservationCondition>(&condition)) {
    return set_observations(rules, *observations, job);
  }
  return set_prompts(rules, std::get<PromptCondition>(condition), job);
}

}  // namespace tessera
