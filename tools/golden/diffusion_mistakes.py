def moved(model, parts, golden):
    return []
