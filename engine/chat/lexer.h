// Cuts a template into tokens: text, and the words and symbols inside {{ }} and {% %}. White space
// is already settled here: trim_blocks and lstrip_blocks are on and the signs - and + are obeyed,
// so the parser sees exactly the text to print. Called once per template, at load.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/value.h"

namespace tessera::jinja {

enum class TokenKind {
  kText,           // text to print
  kVariableBegin,  // {{
  kVariableEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,
  kNumber,
  kSymbol,  // an operator or bracket
  kEnd
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // text, name, string contents or symbol
  Value number = {};
};

// The last token is kEnd. Throws Failure with the line of what is wrong.
std::vector<Token> tokenize(std::string_view source);

}  // namespace tessera::jinja
