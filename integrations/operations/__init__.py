"""The journal of calls that change something at a vendor: written before, recorded after."""
