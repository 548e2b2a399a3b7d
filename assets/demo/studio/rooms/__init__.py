"""One module per kind of photo: each `build` furnishes the room and returns the view to take of it."""
