#include "engine/chat/context.h"

#include <absl/strings/str_cat.h>

#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

class Converter {
 public:
  explicit Converter(Meter& meter) : meter_(meter) {}

  Value convert(const nlohmann::ordered_json& json) {
    switch (json.type()) {
      case nlohmann::ordered_json::value_t::null:
        return None{};
      case nlohmann::ordered_json::value_t::boolean:
        return json.get<bool>();
      case nlohmann::ordered_json::value_t::number_integer:
        return Value(static_cast<Integer>(json.get<std::int64_t>()));
      case nlohmann::ordered_json::value_t::number_unsigned:
        return Value(static_cast<Integer>(json.get<std::uint64_t>()));
      case nlohmann::ordered_json::value_t::number_float:
        return json.get<double>();
      case nlohmann::ordered_json::value_t::string:
        return text(json.get_ref<const std::string&>());
      case nlohmann::ordered_json::value_t::array:
        return array(json);
      case nlohmann::ordered_json::value_t::object:
        return object(json);
      default:
        fail("the context holds a value that is not JSON at " + path_);
    }
  }

 private:
  // One step of the way to what is being converted, for messages.
  class Inside {
   public:
    Inside(Converter& converter, const std::string& step) : converter_(converter) {
      if (++converter.depth_ > kMaxNesting) {
        fail_limit("the context nests deeper than " + std::to_string(kMaxNesting) + " levels");
      }
      size_ = converter.path_.size();
      converter.path_ += step;
    }
    ~Inside() {
      converter_.path_.resize(size_);
      --converter_.depth_;
    }

   private:
    Converter& converter_;
    std::size_t size_;
  };

  Value text(const std::string& bytes) {
    if (!valid_utf8(bytes)) fail("a string that is not UTF-8 at " + path_);
    return make_text(meter_, bytes);
  }

  Value array(const nlohmann::ordered_json& json) {
    std::vector<Value> items;
    items.reserve(json.size());
    for (const auto& item : json) {
      const Inside inside(*this, absl::StrCat("[", items.size(), "]"));
      items.push_back(convert(item));
    }
    return make_list(meter_, std::move(items));
  }

  Value object(const nlohmann::ordered_json& json) {
    Dict dict;
    for (const auto& [key, item] : json.items()) {
      const Inside inside(*this, absl::StrCat(path_.empty() ? "" : ".", key.substr(0, 60)));
      Value name = text(key);
      dict.set(meter_, std::move(name), convert(item));
    }
    return make_dict(meter_, std::move(dict));
  }

  Meter& meter_;
  std::string path_;
  int depth_ = 0;
};

}  // namespace

Value from_json(Meter& meter, const nlohmann::ordered_json& json) {
  return Converter(meter).convert(json);
}

}  // namespace tessera::jinja
