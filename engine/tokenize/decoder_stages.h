// The stages a DecoderStream is built from, one for each kind of DecoderStep.
#pragma once

#include <memory>
#include <string>

#include "engine/tokenize/decoder.h"

namespace tessera {

// The end of every chain: appends all text to *out, which must outlive it.
std::unique_ptr<DecoderStage> make_text_sink(std::string* out);

// `step`, `rules` and `next` must outlive the stage. `rules` is read by kSentencePiece only.
std::unique_ptr<DecoderStage> make_stage(const DecoderStep& step, const SentencePieceRules& rules,
                                         DecoderStage* next);
std::unique_ptr<DecoderStage> make_sentence_piece_stage(const SentencePieceRules& rules,
                                                        DecoderStage* next);

}  // namespace tessera
