"""Pictures of surfaces made with numpy alone: floors, walls, cloth, art and the view from a window."""
