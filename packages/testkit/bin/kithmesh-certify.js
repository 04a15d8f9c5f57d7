#!/usr/bin/env node
import '../dist/certify/bin.js'
