// Name -> factory, for one socket. Filled once at start by an explicit list
// (engine/builtin/builtin.cc and its like), read-only afterwards, so any thread may look things up.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/registry/params.h"

namespace tessera {

template <class Interface, class... Context>
class Registry {
 public:
  using Made = absl::StatusOr<std::unique_ptr<Interface>>;
  using Factory = std::function<Made(const PolicyParams&, const Context&...)>;

  // `socket` names the kind of thing in error messages ("proposer", "branch policy").
  explicit Registry(std::string socket) : socket_(std::move(socket)) {}

  // `Plug` is made by Plug::make(Params, const Context&...) -> Made where it has one, because
  // it may refuse what it is given; else constructed as Plug(Params, const Context&...).
  template <class Plug, class Params>
  void add(const std::string& name) {
    plugs_[name] = {[name](const PolicyParams& given, const Context&... context) -> Made {
                      absl::StatusOr<Params> params = parse_params<Params>(name, given);
                      if (!params.ok()) return params.status();
                      if constexpr (requires { Plug::make(*std::move(params), context...); }) {
                        return Plug::make(*std::move(params), context...);
                      } else {
                        return std::unique_ptr<Interface>(
                            std::make_unique<Plug>(*std::move(params), context...));
                      }
                    },
                    describe_params<Params>()};
  }

  // NOT_FOUND lists the known names; parameter errors are INVALID_ARGUMENT.
  Made make(const std::string& name, const PolicyParams& params, const Context&... context) const {
    const auto found = plugs_.find(name);
    if (found == plugs_.end()) {
      return absl::NotFoundError(absl::StrCat("no ", socket_, " is called \"", name,
                                              "\"; known: ", absl::StrJoin(names(), ", ")));
    }
    return found->second.factory(params, context...);
  }

  bool contains(const std::string& name) const { return plugs_.contains(name); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, plug] : plugs_) names.push_back(name);
    return names;
  }
  const std::vector<ParamDoc>& docs(const std::string& name) const { return plugs_.at(name).docs; }

 private:
  struct Plug {
    Factory factory;
    std::vector<ParamDoc> docs;
  };
  std::string socket_;
  std::map<std::string, Plug> plugs_;
};

}  // namespace tessera
