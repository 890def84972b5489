#include "layers.h"

#include <cctype>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace int8::bench {
namespace {

// Reads [ { "key": "text" | number, … }, … ]: all the JSON that a list of layers needs.
class Reader {
 public:
  Reader(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {}

  std::vector<std::map<std::string, std::string>> objects() {
    std::vector<std::map<std::string, std::string>> list;
    expect('[');
    if (accept(']')) return list;
    do {
      auto& object = list.emplace_back();
      expect('{');
      do {
        const std::string key = string();
        expect(':');
        object[key] = peek() == '"' ? string() : number();
      } while (accept(','));
      expect('}');
    } while (accept(','));
    expect(']');
    return list;
  }

 private:
  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) at_++;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    at_++;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) {
      throw std::runtime_error(path_ + ": expected '" + c + "' at byte " + std::to_string(at_));
    }
  }
  std::string string() {
    expect('"');
    const size_t end = text_.find('"', at_);
    if (end == std::string::npos) throw std::runtime_error(path_ + ": a string does not end");
    const std::string s = text_.substr(at_, end - at_);
    at_ = end + 1;
    return s;
  }
  std::string number() {
    std::string s;
    while (std::isdigit(static_cast<unsigned char>(peek())) != 0) s += text_[at_++];
    if (s.empty()) throw std::runtime_error(path_ + ": expected a number at byte " + std::to_string(at_));
    return s;
  }

  std::string path_;
  std::string text_;
  size_t at_ = 0;
};

}  // namespace

int64_t Layer::macs() const {
  if (is_gemm) return m * depth * n;
  const int64_t out = (hw + 2 * ((k - 1) / 2) - k) / s + 1;
  return out * out * co * (ci / g) * k * k;
}

std::vector<Layer> read_layers(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  std::vector<Layer> layers;
  for (const auto& object : Reader(path, text.str()).objects()) {
    const auto get = [&](const char* key) {
      const auto it = object.find(key);
      if (it == object.end()) throw std::runtime_error(path + ": a layer lacks \"" + key + "\"");
      return it->second;
    };
    Layer l;
    l.name = get("name");
    l.is_gemm = get("op") == "gemm";
    if (l.is_gemm) {
      l.m = std::stoll(get("M"));
      l.depth = std::stoll(get("K"));
      l.n = std::stoll(get("N"));
    } else {
      l.ci = std::stoll(get("ci"));
      l.co = std::stoll(get("co"));
      l.k = std::stoll(get("k"));
      l.s = std::stoll(get("s"));
      l.hw = std::stoll(get("hw"));
      l.g = std::stoll(get("g"));
    }
    layers.push_back(l);
  }
  return layers;
}

}  // namespace int8::bench
