"""Client of Arklet, the HTTP endpoint in every base."""
