// Decides where each name of a template lives. Jinja's scopes are lexical: a name assigned anywhere
// in a scope belongs to that scope everywhere in it, loops and macros open scopes, `if` does not.
// Run once after parsing.
#pragma once

#include "engine/chat/ast.h"

namespace tessera::jinja {

// Fills every Slot, Scope and special slot of the template. Throws Failure for names that Jinja
// defines but this subset lacks.
void resolve_names(Template& parsed);

}  // namespace tessera::jinja
