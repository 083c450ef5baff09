// What the evaluator holds for the length of a statement or call, undone also when a Failure
// unwinds. Rendering thread only; included by the evaluator's own files.
#pragma once

#include <string>
#include <utility>

#include "engine/chat/evaluator.h"

namespace tessera::jinja {

// One more level of recursion.
struct Evaluator::Deeper {
  explicit Deeper(Evaluator& run) : run_(run) {
    if (++run.depth_ > run.meter_.limits().depth) {
      --run.depth_;
      fail_limit("the template recurses too deeply");
    }
  }
  ~Deeper() { --run_.depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  Evaluator& run_;
};

// A frame for a scope, entered on making it and given back on leaving.
class Evaluator::Entered {
 public:
  Entered(Evaluator& run, const Scope& scope)
      : run_(run), frame_(run.acquire(scope, run.frame_)), back_(run.frame_) {
    run.frame_ = frame_;
    run.enter(scope);
  }
  ~Entered() {
    run_.frame_ = back_;
    // A macro that outlives the scope finds its variables gone.
    if (frame_->captured) frame_->slots.assign(frame_->slots.size(), Value());
    run_.release(frame_);
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  Evaluator& run_;
  Frame* frame_;
  Frame* back_;
};

// The loop of a for statement. Values that hold it when the statement ends may lie inside it, and
// loops may hold each other in long chains; those are kept, so that they can be taken apart at the
// end of the rendering.
class Evaluator::Looping {
 public:
  Looping(Evaluator& run, Value source, Ref<Iterator> items)
      : run_(run), loop_(std::make_shared<Loop>(run.meter_, std::move(source), std::move(items))) {}
  ~Looping() {
    if (loop_.use_count() > 1) run_.loops_.push_back(std::move(loop_));
  }
  Looping(const Looping&) = delete;
  Looping& operator=(const Looping&) = delete;
  const Ref<Loop>& loop() const { return loop_; }

 private:
  Evaluator& run_;
  Ref<Loop> loop_;
};

// Output that goes to a buffer instead.
class Evaluator::Captured {
 public:
  explicit Captured(Evaluator& run)
      : run_(run), back_(std::exchange(run.out_, &buffer_)), written_(run.written_) {}
  ~Captured() {
    run_.out_ = back_;
    run_.written_ = written_;
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  Value take() { return make_text(run_.meter_, std::move(buffer_)); }

 private:
  Evaluator& run_;
  std::string buffer_;
  std::string* back_;
  std::size_t written_;
};

}  // namespace tessera::jinja
