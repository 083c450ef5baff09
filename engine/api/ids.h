// Identities shared by every room of the engine.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

using RequestId =
    std::string;  // chosen by the client, or made by the server; unique among live requests
using SequenceId = uint64_t;  // one output of one request; never reused within a process
using StepId = uint64_t;      // counts launched steps from 1

constexpr SequenceId kNoSequence = 0;

}  // namespace tessera
